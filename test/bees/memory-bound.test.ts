import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryWatch } from '../../connectors/processes/memory-watch.ts'
import { skipWithoutPython } from '../support/python-bee.ts'
import { eventually, SwarmHere } from '../support/swarm-here.ts'

/** A bee that takes 480 MB unless it is killed first: at each attempt for the input `always`, and at the first attempt only for the input `once`. */
const python = `import time
from waggle import register_bee

@register_bee(name="work")
def work(payload, context):
    kept = []
    while payload == "always" or (payload == "once" and context.attempt == 1):
        if len(kept) < 60:
            kept.append(bytearray(b"x" * 8_000_000))
        else:
            time.sleep(0.05)
    return [payload, context.attempt]
`

const program = `
  console.log('{"waggle": 1}')
  const kept = []
  require('node:readline').createInterface(process.stdin).on('line', async (line) => {
    const { id, json, attempt } = JSON.parse(line)
    const leaks = json === 'always' || (json === 'once' && attempt === 1)
    if (leaks) setInterval(() => { if (kept.length < 60) kept.push(Buffer.alloc(8_000_000, 1)) }, 5)
    else console.log(JSON.stringify({ id, json: [json, attempt] }))
  })`

const bees = (type: string, spec: object) =>
  `  - {name: work, type: ${type}, timeout_seconds: 100, input: {name: entrance}, spec: ${JSON.stringify({ memory: '200m', ...spec })}}
  - {name: answer, type: respond, input: {name: work}}`

const skip = MemoryWatch.isPossible ? skipWithoutPython : 'this system does not tell the memory of a process'

describe('A process that takes more memory than its bee may use', () => {
  for (const [kind, text] of [
    ['a Python bee', bees('python', { file: './work.py', bee: 'work' })],
    ['a program of this machine', bees('container', { command: ['node', '-e', program] })],
  ] as const)
    it(`is killed and restarted, and its request is tried again: ${kind}`, { skip }, async () => {
      await using swarm = await SwarmHere.open({}, { bees: text, files: { 'work.py': python } })
      const ask = (value: string) => swarm.ask(value, { headers: { 'x-timeout-seconds': '100' } })
      assert.deepEqual(await (await ask('once')).json(), ['once', 2])
      assert.ok(
        swarm.said.some((line) => /^error the process ran out of memory and was killed \(memory: 200m\).*; starting it again/.test(line)),
        swarm.said.join('\n'),
      )
      const response = await ask('always')
      const { detail } = (await response.json()) as { readonly detail: string }
      assert.equal(response.status, 502)
      assert.match(detail, /The process of work ran out of memory and was killed \(memory: 200m\) while it had this request/)
      assert.deepEqual(await (await ask('next')).json(), ['next', 1])
      const letters = async () => ((await swarm.topic('.dead-letters'))?.offsets ?? []).reduce((sum, { start, end }) => sum + end - start, 0)
      await eventually(async () => (await letters()) === 1)
    })
})
