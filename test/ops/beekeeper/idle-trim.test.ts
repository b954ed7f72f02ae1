import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { processHeap } from '../../../connectors/system/process-heap.ts'
import { trimWhenIdle } from '../../../ops/beekeeper/idle-trim.ts'

const mib = 1024 * 1024

function scene() {
  const timers: (() => void)[] = []
  const heap = {
    totalBytes: 50 * mib,
    busy: 0,
    trims: 0,
    busyShare: () => heap.busy,
    trim: () => {
      heap.trims++
      heap.totalBytes = 60 * mib
    },
  }
  const end = trimWhenIdle(
    {
      after: (_, callback) => {
        timers.push(callback)
        return () => void timers.splice(0)
      },
    },
    heap,
  )
  return { heap, end, timers, look: () => timers.shift()?.() }
}

describe('The memory of an idle process', () => {
  it('is returned to the system once, if the heap has grown and the process is idle at two checks', () => {
    const { heap, look } = scene()
    heap.totalBytes = 400 * mib
    look()
    assert.equal(heap.trims, 0)
    for (let time = 0; time < 5; time++) look()
    assert.equal(heap.trims, 1)
  })

  it('is kept while the process works', () => {
    const { heap, look } = scene()
    heap.totalBytes = 400 * mib
    heap.busy = 0.1
    for (let time = 0; time < 5; time++) look()
    assert.equal(heap.trims, 0)
  })

  it('is kept if the heap has hardly grown', () => {
    const { heap, look } = scene()
    heap.totalBytes = 100 * mib
    for (let time = 0; time < 5; time++) look()
    assert.equal(heap.trims, 0)
  })

  it('is no longer checked after the watch has ended', () => {
    const { end, timers } = scene()
    end()
    assert.equal(timers.length, 0)
  })

  it('shrinks by the amount of garbage when it is returned to the system', () => {
    const heap = processHeap()
    let garbage: unknown[] = Array.from({ length: 200_000 }, (_, at) => ({ at, text: `text ${at}`, more: [at, at + 1] }))
    const grownBytes = heap.totalBytes
    assert.equal(garbage.length, 200_000)
    garbage = []
    heap.trim()
    assert.ok(heap.totalBytes < grownBytes - 16 * mib, `${grownBytes} bytes before, ${heap.totalBytes} after`)
  })
})
