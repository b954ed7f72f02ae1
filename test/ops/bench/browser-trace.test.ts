import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drawingTimes } from '../../../ops/bench/browser-trace.ts'

const named = (pid: number, tid: number, name: string) => ({ name: 'thread_name', ph: 'M', pid, tid, ts: 0, args: { name } })
const done = (name: string, place: readonly [pid: number, tid: number], [ts, dur, tdur]: readonly [ts: number, dur: number, tdur: number]) => {
  const [pid, tid] = place
  return { name, ph: 'X', pid, tid, ts, dur, tdur }
}
const page = [2, 1] as const
const [first, second] = [[2, 8] as const, [2, 9] as const]

describe('The times of a trace', () => {
  const events = [
    ...[named(1, 1, 'CrRendererMain'), named(...page, 'CrRendererMain'), named(...first, 'ThreadPoolForegroundWorker')],
    done('RunTask', [1, 1], [0, 1000, 1000]),
    // The events of a trace are in the order of their ends.
    done('FunctionCall', page, [2000, 3000, 2500]),
    done('RunMicrotasks', page, [1000, 5000, 4000]),
    done('Layout', page, [7000, 1000, 900]),
    done('RunTask', page, [500, 9000, 8000]),
    done('Paint', page, [20_000, 2000, 1500]),
    done('RunTask', page, [19_000, 4000, 3000]),
    done('RasterTask', first, [3000, 6000, 5000]),
    done('RasterTask', second, [3000, 2000, 2000]),
  ]

  it('are those of the busiest page, and an event inside of another one is counted once', () => {
    assert.deepEqual(drawingTimes(JSON.stringify({ traceEvents: events })), { mainMs: 11, scriptMs: 4, drawMs: 2.4, rasterMs: 7 })
  })

  it('are missing from a trace without a page', () => {
    assert.throws(() => drawingTimes(JSON.stringify({ traceEvents: [] })), /no main thread of a page/)
  })
})
