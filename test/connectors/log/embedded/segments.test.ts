import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { type SegmentRef, Segments } from '../../../../connectors/log/embedded/segments.ts'

it('Payloads that are appended during a sync are kept, even if a segment file becomes full meanwhile', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-segments-'))
  const segments = new Segments(join(directory, 'segments'))
  try {
    const kept: { readonly ref: SegmentRef; readonly first: number }[] = []
    let first = 0
    /** Appends a record. Some of these records fill a file. */
    const append = () => {
      const bytes = Buffer.alloc(30 * 1024 * 1024, ++first)
      kept.push({ ref: segments.append(bytes), first })
    }
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 5; count++) append()
      const synced = segments.sync()
      await new Promise((resolve) => setImmediate(resolve))
      // The file is full, so this record begins the next file, while a sync still writes the old file.
      append()
      await synced
    }
    await segments.sync()
    for (const { ref, first: byte } of kept) {
      const bytes = segments.payload(ref)
      assert.ok(bytes instanceof Uint8Array)
      assert.deepEqual([bytes.length, bytes[0], bytes.at(-1)], [30 * 1024 * 1024, byte, byte])
    }
    assert.ok(new Set(kept.map(({ ref }) => ref.segment)).size > 2)
  } finally {
    await segments.close()
    rmSync(directory, { recursive: true })
  }
})
