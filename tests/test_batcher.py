"""The queue before the model and the ladder of overload, as state: any history, checked after every step."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from audio.whisper.agreement import Agreement
from audio.whisper.batcher import Batcher, BatchSettings, Item
from audio.whisper.ladder import Ladder, LadderSettings, Rung
from audio.whisper.language import LanguageTracker
from audio.whisper.windows import WHOLE_FRAMES, WindowSettings, window_frames

SMALL = BatchSettings(window_ms=40, size_max=3, window_s_max=60.0, queue_bytes_max=1_000, queue_s_max=50.0)


def item(key: str = "a", seconds: float = 2.0, due_s: float = 10.0, size: int = 100, interim: bool = False) -> Item:
    return Item(key, seconds, 10.0, size, due_s, None, interim)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("offer"),
            st.sampled_from("abc"),
            st.floats(0.1, 30),
            st.floats(0, 100),
            st.integers(0, 700),
            st.booleans(),
        ),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.just("wait"), st.floats(0, 0.1)),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
    ),
    max_size=80,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost_or_doubled_and_the_bounds_hold_whatever_happens(history: list[tuple]) -> None:
    queue, now_s, inside, left = Batcher(SMALL), 0.0, [], []
    for what, *rest in history:
        match what:
            case "offer":
                key, seconds, due_s, size, interim = rest
                new = item(key, seconds, due_s, size, interim)
                fits = (
                    sum(i.size_bytes for i in inside) + size <= 1_000
                    and sum(i.seconds for i in inside) + seconds <= 50 + 1e-9
                )
                taken = queue.offer(new, now_s)
                assert taken == (fits or not inside)
                inside += [new] if taken else []
            case "take":
                batch = queue.take(now_s, gather=rest[0])
                assert len({i.key for i in batch}) <= 1
                assert len(batch) <= 3
                assert [i.order for i in batch] == sorted(i.order for i in batch)
                same = [i for i in inside if batch and i.key == batch[0].key and i not in batch]
                assert all(b.order <= i.order for b in batch for i in same), "the most urgent of its kind go first"
                assert batch or rest[0] or not inside
                left += batch
                inside = [i for i in inside if i not in batch]
            case "wait":
                now_s += rest[0]
            case "cancel":
                if inside:
                    gone = inside.pop(rest[0] % len(inside))
                    assert queue.remove(gone)
                    assert not queue.remove(gone)
        assert sorted(map(id, queue)) == sorted(map(id, inside))
        assert queue.held_bytes == sum(i.size_bytes for i in inside)
        assert len(inside) <= 1 or queue.held_bytes <= SMALL.queue_bytes_max
        assert len(inside) <= 1 or queue.held_s <= SMALL.queue_s_max + 1e-6
    assert len({id(i) for i in left}) == len(left)


def test_a_batch_waits_for_company_until_its_window_is_over_or_it_is_full() -> None:
    queue = Batcher(SMALL)
    queue.offer(item(), 1.0)
    assert queue.take(1.039) == []
    assert queue.wake_s() == 1.04
    assert len(queue.take(1.04)) == 1
    for _ in range(3):
        queue.offer(item(), 2.0)
    assert len(queue.take(2.0)) == 3


def test_what_is_due_first_goes_first_and_interims_go_last() -> None:
    queue = Batcher(SMALL)
    late, soon, quick = item("a", due_s=9), item("b", due_s=5), item("c", due_s=1, interim=True)
    for one in (late, soon, quick):
        queue.offer(one, 0.0)
    assert [queue.take(1.0)[0] for _ in range(3)] == [soon, late, quick]


def test_windows_are_few_even_and_never_one_that_is_taken_for_features() -> None:
    settings_ = WindowSettings(floor_ms=1_000, margin_ms=500, margin_ms_loaded=100, step_ms=20)
    for n_mels in (80, 128):
        for content in range(3_100):
            frames = window_frames(content, n_mels, settings_)
            assert frames % 2 == 0
            assert frames // 2 != n_mels
            assert min(content, WHOLE_FRAMES) <= frames <= WHOLE_FRAMES
            assert window_frames(content, n_mels, settings_, loaded=True) <= frames
    assert window_frames(100, 80, WindowSettings()) == 1_000
    assert window_frames(800, 80, WindowSettings()) == 1_000
    assert window_frames(801, 80, WindowSettings()) == 1_200
    assert window_frames(100, 80, WindowSettings(short=False)) == WHOLE_FRAMES


@given(st.lists(st.tuples(st.floats(0.01, 2.0), st.floats(0, 10)), max_size=200))
@settings(max_examples=200, deadline=None)
def test_the_ladder_moves_one_rung_at_a_time_never_early_and_comes_back(history: list[tuple[float, float]]) -> None:
    rules, now_s = LadderSettings(), 0.0
    ladder, moved_s = Ladder(rules), -1e9
    for step_s, waited_s in history:
        now_s += step_s
        before = ladder.rung
        after = ladder.look(now_s, waited_s)
        assert abs(after - before) <= 1
        if after > before:
            assert waited_s >= rules.wait_s[before], "climbs only where there is need"
        if after < before:
            assert waited_s < rules.wait_s[before - 1] * rules.settle_share
            assert now_s - moved_s >= rules.settle_s, "hysteresis"
        moved_s = now_s if after != before else moved_s
    for _ in range(200):
        now_s += 0.5
        ladder.look(now_s, 0.0)
    assert ladder.rung == Rung.FULL


def test_the_ladder_climbs_in_its_order_under_load() -> None:
    ladder, seen = Ladder(), []
    for tick in range(200):
        seen.append(ladder.look(tick * 0.1, tick * 0.1))
    assert list(dict.fromkeys(seen)) == list(Rung)
    assert ladder.climbs == 4


def test_a_moment_of_waiting_climbs_nothing() -> None:
    ladder = Ladder()
    for tick in range(100):
        assert ladder.look(tick * 0.2, 3.0 if tick % 2 else 0.1) == Rung.FULL


def test_words_are_stable_once_two_hypotheses_agree_on_all_before_them() -> None:
    heard = Agreement()
    assert heard.push("bonjour je") == ("bonjour je", 0)
    assert heard.push("Bonjour, j'appelle pour") == ("Bonjour, j'appelle pour", 1)
    assert heard.push("bonjour j'appelle pour ma") == ("Bonjour, j'appelle pour ma", 3)
    assert heard.push("bon") == ("Bonjour, j'appelle pour", 3), "what was stable is not taken back"


def test_a_language_is_locked_once_it_is_sure_and_doubted_when_confidence_stays_low() -> None:
    tracker = LanguageTracker()
    tracker.heard({"fr": 0.6, "en": 0.4}, 0.4, 0.9)
    assert tracker.language is None
    assert tracker.prior["fr"] > tracker.prior["en"]
    tracker.heard({"fr": 0.99, "en": 0.01}, 3.0, 0.9)
    assert tracker.language == "fr"
    for confidence in (0.4, 0.4, 0.9, 0.4, None, 0.4):
        tracker.heard({}, 2.0, confidence)
        assert tracker.language == "fr"
    tracker.heard({}, 2.0, 0.4)
    assert tracker.language is None
    assert tracker.prior == {}


def test_a_language_is_locked_after_a_few_utterances_in_any_case() -> None:
    tracker = LanguageTracker()
    for number in range(5):
        assert tracker.language is None, number
        tracker.heard({"en": 0.5, "fr": 0.5}, 0.3, 0.9)
    assert tracker.language == "fr"
