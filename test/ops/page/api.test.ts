import assert from 'node:assert/strict'
import { it } from 'node:test'

interface Api {
  readonly eventsIn: (response: Response) => AsyncIterable<unknown>
  readonly answerIn: (response: Response) => Promise<unknown>
  readonly problemIn: (response: Response) => Promise<{ readonly detail: string; readonly code?: string }>
}

const api = (await import(new URL('../../../ops/page/assets/api.js', import.meta.url).href)) as Api

it('The page reads an event whose data contains every line separator that JSON does not escape', async () => {
  const data = { text: 'a\u2028data: b\u2029event: c\u0085\n\nid: d' }
  const read: unknown[] = []
  for await (const event of api.eventsIn(new Response(`: \n\nevent: answer\nid: 1\ndata: ${JSON.stringify(data)}\n\n`))) read.push(event)
  assert.deepEqual(read, [{ event: 'answer', data }])
})

it('The page shows the status of an answer that a proxy wrote as HTML, and a next step', async () => {
  const page = (status: number) => new Response('<html>no</html>', { status, statusText: 'No', headers: { 'content-type': 'text/html' } })
  await assert.rejects(api.answerIn(page(403)), /^Error: Status 403 No\. Waggle did not write this answer\. Let the proxy before Waggle pass on/)
  await assert.rejects(api.answerIn(page(502)), /^Error: Status 502 No\. .*Look whether Waggle runs/)
  await assert.rejects(api.answerIn(page(200)), /^Error: The answer with status 200 is not JSON\./)
  const cut = new Response('{"detail":', { status: 403, headers: { 'content-type': 'application/json' } })
  assert.match((await api.problemIn(cut)).detail, /^Status 403\. /)
})

it('The page shows the detail of a problem that Waggle wrote, and reads JSON and empty answers', async () => {
  const problem = { status: 403, code: 'WAGGLE_NOT_LOCAL', detail: 'Ask there' }
  const response = () =>
    new Response(JSON.stringify(problem), { status: 403, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })
  await assert.rejects(api.answerIn(response()), /^Error: Ask there$/)
  assert.deepEqual(await api.problemIn(response()), problem)
  assert.deepEqual(await api.answerIn(Response.json([1])), [1])
  assert.equal(await api.answerIn(new Response(null, { status: 204 })), null)
})
