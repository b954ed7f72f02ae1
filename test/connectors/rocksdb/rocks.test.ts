import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Rocks } from '../../../connectors/rocksdb/rocks.ts'
import { loadRocksLevel } from '../../../connectors/rocksdb/rocks-binding.ts'

describe('A RocksDB database', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-rocks-'))
  let rocks: Rocks
  before(async () => {
    rocks = await Rocks.open(directory)
  })
  after(async () => {
    await rocks.close()
    rmSync(directory, { recursive: true })
  })

  it('writes each batch as a whole, and writes nothing of a failed batch', () => {
    rocks.write([
      [bytes('a'), bytes('1')],
      [bytes('b'), bytes('2')],
    ])
    const failing = function* () {
      yield [bytes('b'), bytes('3')] as const
      throw new Error('halfway')
    }
    assert.throws(() => rocks.write(failing()), /halfway/)
    rocks.write([[bytes('a'), null]])
    assert.deepEqual([...rocks.range(null, null)].map(String), ['b,2'])
  })

  it('estimates the bytes of its rows, before they are in a file and after', async () => {
    const empty = rocks.liveBytes
    const bytesEach = 1000
    for (let at = 0; at < 2000; at++) rocks.write([[bytes(`size-${at}`), Buffer.alloc(bytesEach, String(at))]])
    const full = rocks.liveBytes
    assert.ok(full - empty > 2000 * bytesEach * 0.9 && full - empty < 2000 * bytesEach * 1.6, `${empty} before, ${full} after`)
    await rocks.close()
    rocks = await Rocks.open(directory)
    assert.ok(rocks.liveBytes > 2000 * bytesEach * 0.9, `${rocks.liveBytes} from files`)
    rocks.clear(bytes('size-'), bytes('size-~'))
  })

  it('fails the next write or sync if a range cannot be deleted, but no later write or sync', async (t) => {
    const { prototype } = await loadRocksLevel()
    t.mock.method(prototype, '_clear', (_options: object, callback: (error: Error) => void) => process.nextTick(callback, new Error('IO error')))
    rocks.clear(bytes('a'), bytes('z'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.throws(() => rocks.write([[bytes('c'), bytes('1')]]), /cannot be deleted: IO error/)
    rocks.clear(bytes('a'), bytes('z'))
    await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(rocks.sync(), { code: 'WAGGLE_LOG_WRITE_FAILED' })
    rocks.write([[bytes('c'), null]])
  })

  it('releases the memory of a finished write or scan', () => {
    const used = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const run = () => {
      for (let round = 0; round < 10_000; round++) {
        rocks.write([[bytes('key'), bytes('value')]])
        for (const _ of rocks.range(null, null)) break
      }
    }
    run()
    const start = used()
    run()
    const grownBytes = used() - start
    assert.ok(grownBytes < 2 * 1024 * 1024, `10,000 rounds left ${grownBytes} bytes behind`)
  })
})

const bytes = (text: string) => Buffer.from(text)

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
