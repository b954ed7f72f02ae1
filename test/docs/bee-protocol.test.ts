import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { Refused } from '../../topology/waggle-error.ts'

const page = readFileSync(resolve(import.meta.dirname, '..', '..', 'bees', 'PROTOCOL.md'), 'utf8')
const hasPython = spawnSync('python3', ['--version']).status === 0
const skip = hasPython || process.env.CI === 'true' ? false : 'There is no python3 here'

const examples = [...page.matchAll(/```python\n([\s\S]*?)```/g)].map(([, text]) => text ?? '')

describe('The example of bees/PROTOCOL.md that uses the socket', () => {
  it('echoes JSON, and its prints appear in the log', { skip }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-protocol-'))
    const file = join(directory, 'bee.py')
    writeFileSync(file, examples[1] ?? '')
    const lines: string[] = []
    const options = { swarm: 'test', bee: 'echo', command: ['python3', file], env: {}, log: (_: string, line: string) => lines.push(line) }
    const bee = await new LocalProcesses({ clock: systemClock }).open(options)
    const { signal } = new AbortController()
    const payload: Payload = { kind: 'json', json: { text: 'one' } }
    assert.deepEqual(await bee.call([{ id: 'first', payload, deadline: null, signal }]), [payload])
    await bee.close()
    assert.deepEqual(lines, ['loading', 'a request first'])
    rmSync(directory, { recursive: true })
  })
})

describe('The example of bees/PROTOCOL.md', () => {
  it('counts words, refuses unsuitable inputs, and survives all of them', { skip }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-protocol-'))
    const file = join(directory, 'bee.py')
    writeFileSync(file, examples[0] ?? '')
    const lines: string[] = []
    const options = { swarm: 'test', bee: 'words', command: ['python3', file], env: {}, log: (_: string, line: string) => lines.push(line) }
    const bee = await new LocalProcesses({ clock: systemClock }).open(options)
    const { signal } = new AbortController()
    const ask = async (payload: Payload) => (await bee.call([{ id: 'one', payload, deadline: null, signal }]))[0]
    const json = (value: unknown): Payload => ({ kind: 'json', json: value })
    const bad: readonly Payload[] = [
      ...[null, 7, 'text', [], {}, { text: 7 }, { text: null }, { text: ['a'] }].map(json),
      { kind: 'bytes', contentType: 'image/png', bytes: Uint8Array.of(1, 2, 3) },
      { kind: 'tensors', tensors: { x: { datatype: 'FP32', shape: [1], data: Float32Array.of(1) } } },
      { kind: 'joined', parts: new Map([['other', json({ text: 'a' })]]) },
    ]
    for (const payload of bad) assert.ok((await ask(payload)) instanceof Refused, JSON.stringify(payload))
    assert.deepEqual(await ask(json({ text: 'one two three' })), json({ words: 3 }))
    assert.deepEqual(await ask(json({ text: '' })), json({ words: 0 }))
    assert.deepEqual(lines, [])
    await bee.close()
    rmSync(directory, { recursive: true })
  })
})
