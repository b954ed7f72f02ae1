import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

/** A program of JSON lines that misbehaves at the request `bad`, and answers any other request with its input. */
const program = (bad: string) => `
  import { createInterface } from 'node:readline'
  console.log(JSON.stringify({ waggle: 1 }))
  const answer = (id, json) => console.log(JSON.stringify({ id, json }))
  for await (const line of createInterface(process.stdin)) {
    const { id, json } = JSON.parse(line)
    if (json === 'bad') { ${bad} }
    else answer(id, json)
  }`

interface Case {
  readonly what: string
  readonly bad: string
  /** Matches the detail of the response with status 502. */
  readonly detail: RegExp
}

const failing: readonly Case[] = [
  {
    what: 'prints rubbish between its results',
    bad: "console.log('loading weights …')",
    detail: /while it had this request; .*wrote no JSON object: "loading weights/,
  },
  { what: 'writes bytes that are no text', bad: 'process.stdout.write(Buffer.from([255, 254, 10]))', detail: /wrote no JSON object/ },
  { what: 'answers for another request', bad: 'answer(id + 1000, json)', detail: /a result with the id \d+, which no open request has/ },
  {
    what: 'answers with no value',
    bad: 'console.log(JSON.stringify({ id }))',
    detail: /wrote a result without json, tensors, bytes, refuse or error/,
  },
  {
    what: 'answers with a tensor of another shape than its bytes',
    bad: "console.log(JSON.stringify({ id, tensors: [{ name: 'x', datatype: 'FP32', shape: [2], base64: 'AAAA' }] }))",
    detail: /x .*8 bytes|bytes/,
  },
  { what: 'dies', bad: 'process.exit(3)', detail: /ended with status 3 while it had this request/ },
]

describe('A program that misbehaves at one request', () => {
  const open = (bad: string) =>
    SwarmHere.open(
      {},
      {
        bees: `  - {name: work, type: container, input: {name: entrance}, timeout_seconds: 60, spec: ${JSON.stringify({ command: ['node', '--input-type=module', '-e', program(bad)] })}}
  - {name: answer, type: respond, input: {name: work}}`,
      },
    )
  const letters = async (swarm: SwarmHere) =>
    ((await swarm.topic('.dead-letters'))?.offsets ?? []).reduce((sum, { start, end }) => sum + end - start, 0)

  for (const { what, bad, detail } of failing)
    it(`causes an error with the reason and one dead letter, and answers the next request: it ${what}`, async () => {
      await using swarm = await open(bad)
      const response = await swarm.ask('bad', { headers: { 'x-timeout-seconds': '60' } })
      const problem = (await response.json()) as { readonly bee: string; readonly detail: string }
      assert.deepEqual([response.status, problem.bee], [502, 'work'])
      assert.match(problem.detail, detail)
      assert.equal(await (await swarm.ask('next')).json(), 'next')
      await eventually(async () => (await letters(swarm)) === 1)
    })

  it('provides the first of two answers to a request, causes a line in the log, and answers the next request', async () => {
    await using swarm = await open('answer(id, 1); answer(id, 2)')
    assert.equal(await (await swarm.ask('bad')).json(), 1)
    assert.equal(await (await swarm.ask('next')).json(), 'next')
    assert.ok(
      swarm.said.some((line) => /^error .*which no open request has/.test(line)),
      swarm.said.join('\n'),
    )
    assert.equal(await letters(swarm), 0)
  })

  it('has a limited log if it floods standard error, and its answers still arrive', async () => {
    await using swarm = await open("for (let i = 0; i < 6000; i++) process.stderr.write('lens cap '.repeat(100) + '\\n'); answer(id, json)")
    assert.equal(await (await swarm.ask('bad')).json(), 'bad')
    assert.equal(await (await swarm.ask('next')).json(), 'next')
    assert.ok(swarm.said.length < 1000, `${swarm.said.length} lines`)
  })
})
