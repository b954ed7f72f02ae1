import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { DamagedValue, type LogRecord } from '../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const clock = new SimulatedClock()
const records = 200

async function write(log: EmbeddedLog, from: number, to: number): Promise<void> {
  const producer = await log.producer()
  for (let at = from; at < to; at++) {
    const value = Buffer.from(`${at} `.repeat(at % 10 === 0 ? 10_000 : 100))
    await producer.send({ topic: 'rows', partition: 0, key: null, value, timestamp: at, headers: [] })
  }
}

async function read(log: EmbeddedLog): Promise<readonly LogRecord[]> {
  const { start = 0, end = 0 } = (await log.topic('rows'))?.offsets[0] ?? {}
  const found: LogRecord[] = []
  for await (const run of log.read({ topic: 'rows', partition: 0, from: start, to: end })) found.push(...run.records)
  return found
}

/** Copies the directory while its process runs. A kill would leave the same files behind. */
async function killed(directory: string): Promise<void> {
  const living = `${directory}-living`
  const log = await openEmbeddedLog({ directory: living, clock })
  await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: null }])
  await write(log, 0, records / 2)
  await log.close()
  // The first half of the records is in tables, and the second half in the write-ahead log.
  const again = await openEmbeddedLog({ directory: living, clock })
  await write(again, records / 2, records)
  cpSync(living, directory, { recursive: true })
  await again.close()
  rmSync(living, { recursive: true })
}

const damages: { readonly [name: string]: (file: string) => void } = {
  corrupted: (file) => {
    const bytes = readFileSync(file)
    const middle = bytes.length >> 1
    for (let at = middle; at < Math.min(bytes.length, middle + 4); at++) bytes[at] = (bytes[at] ?? 0) ^ 0xff
    writeFileSync(file, bytes)
  },
  'cut in half': (file) => truncateSync(file, statSync(file).size >> 1),
  zeroed: (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
  deleted: (file) => rmSync(file),
}

it('A log that no commit was written to opens again without a notice', async () => {
  const directory = join(mkdtempSync(join(tmpdir(), 'waggle-empty-')), 'log')
  const notices: string[] = []
  for (let opens = 0; opens < 3; opens++) {
    const log = await openEmbeddedLog({ directory, clock, onNotice: (notice) => notices.push(notice) })
    await log.close()
  }
  assert.deepEqual(notices, [])
  rmSync(join(directory, '..'), { recursive: true })
})

describe('A damaged directory of the embedded log', () => {
  let whole: string
  let directory: string
  before(async () => {
    whole = join(mkdtempSync(join(tmpdir(), 'waggle-damage-')), 'whole')
    await killed(whole)
  })
  after(() => rmSync(join(whole, '..'), { recursive: true }))
  beforeEach(() => {
    directory = `${whole}-damaged`
    cpSync(whole, directory, { recursive: true })
  })
  const opened: EmbeddedLog[] = []
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close()
    rmSync(directory, { recursive: true })
  })

  const filesOf = (pattern: RegExp) =>
    (readdirSync(directory, { recursive: true }) as string[]).filter((name) => pattern.test(name) && statSync(join(directory, name)).size > 0).sort()
  const open = async (options: { readonly acceptLoss?: boolean; readonly onNotice?: (notice: string) => void } = {}) => {
    const log = await openEmbeddedLog({ directory, clock, ...options })
    opened.push(log)
    return log
  }

  it('has all durable records if the process was only killed', async () => {
    const notices: string[] = []
    const log = await open({ onNotice: (notice) => notices.push(notice) })
    assert.deepEqual([(await read(log)).length, notices], [records, []])
  })

  it('opens without a loss if it lacks only unsynced bytes', async () => {
    const [wal = ''] = filesOf(/db\/\d+\.log$/).slice(-1)
    writeFileSync(join(directory, wal), Buffer.alloc(5000, 1), { flag: 'a' })
    const log = await open()
    assert.equal((await read(log)).length, records)
  })

  const essential = [
    ['write-ahead log', /db\/\d+\.log$/],
    ['table', /\.sst$/],
    ['manifest', /MANIFEST/],
    ['CURRENT file', /CURRENT/],
  ] as const
  for (const [what, pattern] of essential) {
    for (const [name, damage] of Object.entries(damages)) {
      it(`is refused and left unchanged at each start while the ${what} is ${name}, until the loss is accepted: then it opens with the remaining records`, async () => {
        for (const file of filesOf(pattern)) damage(join(directory, file))
        const files = filesOf(/^db\//).map((file) => [file, readFileSync(join(directory, file)).toString('base64')])
        for (let start = 0; start < 2; start++) {
          await assert.rejects(open(), (error: Error & { readonly code?: string; readonly next?: string }) => {
            assert.equal(error.code, 'WAGGLE_LOG_CORRUPT')
            assert.match(error.next ?? '', /--accept-loss/)
            return true
          })
        }
        assert.deepEqual(
          filesOf(/^db\//).map((file) => [file, readFileSync(join(directory, file)).toString('base64')]),
          files,
        )
        const notices: string[] = []
        const log = await open({ acceptLoss: true, onNotice: (notice) => notices.push(notice) })
        const left = await read(log)
        const lost = /Lost: (\d+) records of rows, partition 0, offsets (\d+) to 199/.exec(notices.join('\n'))
        assert.equal(left.length + Number(lost?.[1]), records, notices.join('\n'))
        await write(log, records, records + 1)
        assert.equal((await read(log)).at(-1)?.offset, records, 'no offset is given out twice')
        await opened.pop()?.close()
        assert.equal((await read(await open())).length, left.length + 1)
      })
    }
  }

  for (const name of ['cut in half', 'deleted']) {
    it(`is refused if a segment file is ${name}, and lists the records without values when the loss is accepted`, async () => {
      const [file = ''] = filesOf(/\.seg$/)
      damages[name]?.(join(directory, file))
      await assert.rejects(open(), { code: 'WAGGLE_LOG_CORRUPT', message: /segment file 1/ })
      const notices: string[] = []
      const log = await open({ acceptLoss: true, onNotice: (notice) => notices.push(notice) })
      assert.match(notices.join('\n'), /Lost: large values of up to 10 records of rows, partition 0, offsets 0 to 90/)
      assert.equal((await read(log)).length, records)
    })
  }

  for (const name of ['corrupted', 'zeroed']) {
    it(`opens with every record if a segment file is ${name}, and only the damaged values fail`, async () => {
      const [file = ''] = filesOf(/\.seg$/)
      damages[name]?.(join(directory, file))
      const log = await open()
      const found = await read(log)
      const damaged = found.filter(({ value }) => value instanceof DamagedValue)
      assert.equal(found.length, records)
      assert.ok(damaged.length >= 1 && damaged.length <= 10)
    })
  }

  for (const [what, pattern] of [
    ['list of topics', /topics\.json$/],
    ['file of options', /OPTIONS/],
    ['identity', /IDENTITY/],
  ] as const) {
    for (const [name, damage] of Object.entries(damages)) {
      it(`has all durable records if the ${what} is ${name}`, async () => {
        for (const file of filesOf(pattern)) damage(join(directory, file))
        const log = await open()
        assert.equal((await read(log)).length, records)
      })
    }
  }

  for (const [name, found] of [
    ['deleted', /mark is missing/],
    ['zeroed', /mark is damaged/],
  ] as const) {
    it(`is refused if the mark is ${name}, and opens with the remaining records when the loss is accepted`, async () => {
      damages[name]?.(join(directory, 'mark'))
      await assert.rejects(open(), { code: 'WAGGLE_LOG_CORRUPT', message: found })
      const notices: string[] = []
      const log = await open({ acceptLoss: true, onNotice: (notice) => notices.push(notice) })
      assert.equal((await read(log)).length, records)
      assert.match(notices.join(), /Lost: without a mark/)
    })
  }

  for (const name of ['corrupted', 'cut in half', 'zeroed'] as const) {
    it(`is refused if the mark and the write-ahead log are both ${name}`, async () => {
      for (const file of [join(directory, 'mark'), ...filesOf(/db\/\d+\.log$/).map((log) => join(directory, log))]) damages[name]?.(file)
      await assert.rejects(open(), { code: 'WAGGLE_LOG_CORRUPT' })
    })
  }

  for (const name of ['corrupted', 'cut in half'] as const) {
    it(`opens with all records and reports the mark if it is ${name}, as after a power failure`, async () => {
      damages[name]?.(join(directory, 'mark'))
      const notices: string[] = []
      const log = await open({ onNotice: (notice) => notices.push(notice) })
      assert.equal((await read(log)).length, records)
      assert.match(notices.join(), /mark of the last durable commit is damaged/)
    })
  }

  it('is refused at each start if all files are gone, and starts empty when the loss is accepted', async () => {
    rmSync(directory, { recursive: true })
    const attempt = () => openEmbeddedLog({ directory, clock, wasMade: true })
    await assert.rejects(attempt(), { code: 'WAGGLE_LOG_CORRUPT', message: /had a log/ })
    assert.equal(existsSync(directory), false)
    const notices: string[] = []
    opened.push(await openEmbeddedLog({ directory, clock, wasMade: true, acceptLoss: true, onNotice: (notice) => notices.push(notice) }))
    assert.match(notices.join(), /Lost: all records that were in the log before/)
  })

  it('does not count as damaged if the process has no file descriptors left', async () => {
    const log = await open()
    const held: number[] = []
    try {
      // All descriptors are in use, so that Linux refuses with EMFILE.
      for (let taken = 0; taken < 2_000_000; taken++) held.push(openSync('/dev/null', 'r'))
    } catch {}
    const failure = await read(log).then(
      () => null,
      (error: Error & { readonly code?: string }) => error,
    )
    for (const descriptor of held) closeSync(descriptor)
    assert.equal((failure as { readonly code?: string } | null)?.code, 'WAGGLE_LOG_READ_FAILED')
    assert.equal((await read(log)).length, records)
  })

  it('opens and gets a mark if an older version has left no mark', async () => {
    rmSync(join(directory, 'mark'))
    rmSync(join(directory, 'topics.json'))
    const notices: string[] = []
    const log = await open({ onNotice: (notice) => notices.push(notice) })
    assert.deepEqual([(await read(log)).length, notices, existsSync(join(directory, 'mark'))], [records, [], true])
  })
})
