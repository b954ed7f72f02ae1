import assert from 'node:assert/strict'
import { it } from 'node:test'

it('The page reads an event whose data contains every line separator that JSON does not escape', async () => {
  const { eventsIn } = (await import(new URL('../../../ops/page/assets/api.js', import.meta.url).href)) as {
    readonly eventsIn: (response: Response) => AsyncIterable<unknown>
  }
  const data = { text: 'a\u2028data: b\u2029event: c\u0085\n\nid: d' }
  const read: unknown[] = []
  for await (const event of eventsIn(new Response(`: \n\nevent: answer\nid: 1\ndata: ${JSON.stringify(data)}\n\n`))) read.push(event)
  assert.deepEqual(read, [{ event: 'answer', data }])
})
