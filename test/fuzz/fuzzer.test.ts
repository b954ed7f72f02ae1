import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { fuzz } from './fuzzer.ts'
import { corpusOf, type TargetFiles, targetsIn } from './target-files.ts'
import { type AttemptBounds, WatchedTarget } from './target-watchdog.ts'

const directory = mkdtempSync(join(tmpdir(), 'waggle-fuzz-'))
after(() => rmSync(directory, { recursive: true }))

const bounds = { attemptMs: 1000, attemptBytes: 64 * 1024 * 1024, heapBytes: 64 * 1024 * 1024 }

test('The fuzzer finds an input that makes a target throw, shortens the input and keeps it', async () => {
  const files = planted('thrower', `if (Buffer.from(input).includes('MAGIC')) throw new Error('It broke')`)
  const { finding } = await fuzz(files, { seed: 1, durationMs: 60_000, attempts: 100_000, bounds })
  assert.equal(finding?.kind, 'threw')
  assert.match(finding.message, /It broke/)
  assert.equal(Buffer.from(finding.input).toString(), 'MAGIC')
  assert.deepEqual(readFileSync(finding.file), Buffer.from(finding.input))
  assert.deepEqual(
    corpusOf(files).map(({ file }) => file),
    [finding.file],
  )
})

for (const [way, code] of [
  ['loops for ever', 'for (;;) {}'],
  ['waits for ever', 'return new Promise(() => {})'],
] as const) {
  test(`The watchdog ends an attempt that ${way}, and the next attempt gets a new process`, async (context) => {
    const target = watched(context, planted(way.replaceAll(' ', '-'), `if (input.length === 0) ${code}`), bounds)
    const finding = await target.try(new Uint8Array())
    assert.equal(finding?.kind, 'hung')
    assert.equal(await target.try(Buffer.from('fine')), null)
  })
}

for (const [kind, way, code] of [
  ['hogged', 'fills its heap', 'const all = []; for (;;) all.push(new Array(1000).fill(all.length))'],
  ['hogged', 'takes much memory outside the heap', 'Buffer.alloc(256 * 1024 * 1024, 1)'],
  ['died', 'throws an error that nobody catches', 'return new Promise(() => setImmediate(() => { throw new Error("uncaught") }))'],
  ['died', 'exits its process', 'process.exit(7)'],
] as const) {
  test(`An attempt that ${way} is a finding with its input`, async (context) => {
    const target = watched(context, planted(way.replaceAll(' ', '-'), `if (input.length === 3) { ${code} }`), { ...bounds, attemptMs: 20_000 })
    const finding = await target.try(Buffer.from('abc'))
    assert.equal(finding?.kind, kind)
    assert.equal(Buffer.from(finding.input).toString(), 'abc')
  })
}

test('The same seed of the fuzzer gives the same inputs', async (context) => {
  const files = planted('by-seed', `if (input[0] === 0x00) throw new Error('It broke')`)
  const target = watched(context, files, bounds)
  const found = async (seed: number) => (await target.fuzz({ seed, durationMs: 60_000, attempts: 100_000 }))?.input
  const first = await found(1)
  assert.ok(first !== undefined)
  assert.deepEqual(await found(1), first)
  assert.notDeepEqual(await found(2), first)
})

function watched(context: TestContext, files: TargetFiles, attemptBounds: AttemptBounds): WatchedTarget {
  const target = new WatchedTarget(files, attemptBounds)
  context.after(() => target.close())
  return target
}

function planted(name: string, attempt: string): TargetFiles {
  const seeds = `[Buffer.from('a well-formed input'), Buffer.from('another')]`
  writeFileSync(
    join(directory, `${name}-target.ts`),
    `export const target = { name: '${name}', seeds: ${seeds}, dictionary: [Buffer.from('MAGIC')], attempt(input: Uint8Array) { ${attempt} } }\n`,
  )
  const files = targetsIn(directory).find((one) => one.name === name)
  assert.ok(files !== undefined)
  return files
}
