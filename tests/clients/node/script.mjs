// What a program with the official client for Node does, against the gateway whose address is given.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const short = { model: "any", max_output_tokens: 24 };

async function chains() {
  const first = await client.responses.create({ ...short, input: "My name is Ann." });
  assert.ok(first.output_text);
  const second = await client.responses.create({
    ...short,
    input: "What is my name?",
    previous_response_id: first.id,
  });
  // What was said before was in the engine's cache.
  assert.ok(second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens - 1);
  assert.equal((await client.responses.retrieve(second.id)).output_text, second.output_text);
  const items = await client.responses.inputItems.list(second.id);
  assert.equal(items.data[0].content[0].text, "What is my name?");
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
}

async function streams() {
  const stream = client.responses.stream({ ...short, input: "Say hello." });
  let text = "";
  for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
  assert.equal((await stream.finalResponse()).output_text, text);
}

async function runsInTheBackground() {
  const made = await client.responses.create({ ...short, input: "Say hello.", background: true });
  assert.equal(made.status, "queued");
  let last;
  for await (const event of await client.responses.retrieve(made.id, { stream: true })) last = event;
  assert.ok(["completed", "incomplete"].includes(last.response.status));
  const rest = await client.responses.retrieve(made.id, {
    stream: true,
    starting_after: last.sequence_number - 1,
  });
  for await (const event of rest) assert.deepEqual(event, last);
}

async function keepsConversations() {
  const conversation = await client.conversations.create({
    metadata: { a: "b" },
    items: [{ type: "message", role: "user", content: "My name is Ann." }],
  });
  const reply = await client.responses.create({
    ...short,
    input: "What is my name?",
    conversation: conversation.id,
  });
  assert.equal(reply.conversation.id, conversation.id);
  const items = [];
  for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 2 }))
    items.push(item);
  assert.deepEqual(
    items.map((item) => item.role),
    ["user", "user", "assistant"],
  );
  const found = await client.conversations.items.retrieve(items[0].id, { conversation_id: conversation.id });
  assert.equal(found.content[0].text, "My name is Ann.");
  assert.ok((await client.conversations.delete(conversation.id)).deleted);
}

async function completesChats() {
  const asked = { model: "any", max_tokens: 24, messages: [{ role: "user", content: "Say hello." }] };
  const made = await client.chat.completions.create({ ...asked, store: true, metadata: { a: "b" } });
  assert.ok(made.turnkeep.conversation);
  assert.deepEqual((await client.chat.completions.retrieve(made.id)).choices, made.choices);
  const runner = client.chat.completions.stream(asked);
  let text = "";
  for await (const chunk of runner) text += chunk.choices[0]?.delta?.content ?? "";
  assert.equal((await runner.finalChatCompletion()).choices[0].message.content, text);
  assert.ok((await client.chat.completions.delete(made.id)).deleted);
}

async function saysWhatIsWrong() {
  const refused = client.responses.create({ ...short, input: "x", tools: [{ type: "web_search" }] });
  await assert.rejects(refused, OpenAI.BadRequestError);
  const [model] = (await client.models.list()).data;
  assert.equal((await client.models.retrieve(model.id)).id, model.id);
}

for (const script of [
  chains,
  streams,
  runsInTheBackground,
  keepsConversations,
  completesChats,
  saysWhatIsWrong,
]) {
  await script();
  console.log(script.name);
}
