// OpenAI's own client against `vouch serve`: node openai_client_test.mjs BASE_URL CLIENT_MODULE
import assert from 'node:assert/strict';

const [baseURL, client_module] = process.argv.slice(2);
const { default: OpenAI, NotFoundError } = await import(client_module);
const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Is a backup incremental?' }];

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models.sort(), ['collection:notes', 'support']);

const whole = await client.chat.completions.create({ model: 'support', messages });
const { message } = whole.choices[0];
assert.equal(message.content, 'A backup is incremental. [1]');
assert.equal(whole.choices[0].finish_reason, 'stop');
assert.match(message.annotations[0].url_citation.url, /^vouchdb:\/\/notes\/.*storage\.md/);
assert.match(whole.vouch.answer_id, /^[0-9a-f-]{36}$/);

let text = '';
let citations = [];
let usage;
const stream = await client.chat.completions.create({
  model: 'support@1', messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  for (const choice of chunk.choices) text += choice.delta.content ?? '';
  citations = chunk.vouch?.citations ?? citations;
  usage = chunk.usage ?? usage;
}
assert.equal(text, message.content);
assert.ok(citations[0].verified);
assert.ok(Number.isInteger(usage.total_tokens));

// The client asks for base64 by itself, and decodes it.
const embedded = await client.embeddings.create({ model: 'notes', input: ['one text', 'another'] });
assert.deepEqual(embedded.data.map((item) => item.embedding.length), [64, 64]);
const floats = await client.embeddings.create({ model: 'notes', input: 'one text', encoding_format: 'float' });
assert.deepEqual(embedded.data[0].embedding, floats.data[0].embedding);

await assert.rejects(client.chat.completions.create({ model: 'suport', messages }), (error) => {
  assert.ok(error instanceof NotFoundError);
  assert.match(error.message, /suport/);
  return true;
});
const stopped = new AbortController();
const begun = await client.chat.completions.create({ model: 'support', messages, stream: true }, { signal: stopped.signal });
stopped.abort();
for await (const chunk of begun) assert.ok(chunk);
console.log('openai client: all as it expects');
