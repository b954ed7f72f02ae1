import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Consumed, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const text = Serdes.string()

describe('waggle dead-letters list --topic', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-letters-'))
  after(() => rmSync(stateDir, { recursive: true }))

  const list = (...argv: readonly string[]) => waggle('dead-letters', 'list', ...argv)
  const waggle = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [main, ...argv], { encoding: 'utf8', env: { ...process.env, WAGGLE_DATA_DIR: stateDir } })

  before(async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('prices', Consumed.with(text, text))
      .mapValues((value) => {
        if (value?.startsWith('no ')) throw new RangeError(`${value} is no price`)
        return value ?? ''
      })
      .to('checked', Produced.with(text, text))
    builder.stream('odd', Consumed.with(text, text)).foreach(() => {})
    const handlers = { deadLetterTopic: 'letters', processingHandler: () => 'resume' as const }
    await using streams = new Streams(builder.build(), { applicationId: 'prices', log: 'embedded', stateDir, ...handlers })
    await streams.start()
    await streams.send('letters', { key: 'k', value: 'not a letter' }, Produced.with(text, text))
    const headers = [{ key: '__streams.errors.exception', value: Buffer.from('RangeError') }]
    await streams.send('odd', { key: 'k', value: 'no date', timestamp: 9e15, headers }, Produced.with(text, text))
    for (const value of ['no bear', 'no honey', '5']) await streams.send('prices', { key: 'k', value }, Produced.with(text, text))
    for await (const _ of streams.records('checked', Consumed.with(text, text))) break
  })

  it('shows the dead letters of a DSL program, newest first, with cause, input, key and content', () => {
    const { status, stdout, stderr } = list('--topic', 'letters')
    assert.equal(status, 0, stderr)
    assert.equal(
      stdout.replaceAll(/\d{4}-\S+Z/g, 'TIME'),
      `letters:0:2  TIME  RangeError
  cause    no honey is no price
  input    offset 1 of prices, partition 0
  key      k
  content  no honey

letters:0:1  TIME  RangeError
  cause    no bear is no price
  input    offset 0 of prices, partition 0
  key      k
  content  no bear
`,
    )
  })

  it('shows a timestamp that is not a date as a number, like `topics tail`', () => {
    assert.match(list('--topic', 'odd').stdout, /^odd:0:0 {2}9000000000000000 {2}RangeError\n/)
    assert.match(waggle('topics', 'tail', 'odd', '--from-beginning', '--max', '1').stdout, /^0\/0 +9000000000000000 {2}k {2}no date\n/)
  })

  it('shows at most as many letters as --max allows, also in JSON', () => {
    const { dead_letters: letters } = JSON.parse(list('--topic', 'letters', '--max', '1', '--json').stdout) as {
      readonly dead_letters: readonly { readonly id: string }[]
    }
    assert.deepEqual(
      letters.map(({ id }) => id),
      ['letters:0:2'],
    )
  })

  it('reports a topic without letters, reports a missing topic, and refuses a swarm together with --topic', () => {
    assert.equal(list('--topic', 'checked').stdout, 'There are no dead letters.\n')
    assert.match(list('--topic', 'nowhere').stderr, /The topic nowhere does not exist/)
    assert.equal(list('--topic', 'letters', '--swarm', 'shop').status, 2)
  })
})
