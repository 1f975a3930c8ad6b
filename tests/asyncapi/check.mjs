// Reads an AsyncAPI document as a generator does, schemas included; prints what it found as JSON.
import { Parser, fromFile } from '@asyncapi/parser';
import avro from '@asyncapi/avro-schema-parser';

const parser = new Parser();
parser.registerSchemaParser(avro.AvroSchemaParser());
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
const messages = document ? document.channels().all().flatMap((channel) => channel.messages().all()) : [];
console.log(JSON.stringify({
  channels: document ? document.channels().all().map((channel) => channel.address()) : null,
  payloads: messages.filter((message) => message.hasPayload()).length,
  problems: diagnostics.filter((d) => d.severity === 0).map((d) => `${d.source}: ${d.path.join('.')}: ${d.message}`),
}));
