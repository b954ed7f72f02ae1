/** CPU time in ms of the threads that draw a page, as a trace of Chromium has it. */
export interface DrawingTimes {
  /** All work of the page's main thread. */
  readonly mainMs: number
  readonly scriptMs: number
  /** Style, layout and paint on the main thread. */
  readonly drawMs: number
  /** The threads that make pixels of what was painted. Without a GPU this is most of the work. */
  readonly rasterMs: number
}

/** The categories of a trace from which the times are read. */
export const traceCategories: readonly string[] = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'v8.execute', 'cc']

/** Reads a trace in Chromium's JSON form. A browser has several main threads of pages, and the busiest one is that of the measured page. */
export function drawingTimes(trace: string): DrawingTimes {
  const { traceEvents } = JSON.parse(trace) as { readonly traceEvents: readonly TraceEvent[] }
  const named = new Map(traceEvents.flatMap(({ name, pid, tid, args }) => (name === 'thread_name' ? [[`${pid} ${tid}`, args?.name ?? '']] : [])))
  const threads = [...Map.groupBy(traceEvents, ({ pid, tid }) => `${pid} ${tid}`)]
  const pages = threads.flatMap(([thread, events]) => (named.get(thread) === 'CrRendererMain' ? [{ events, mainMs: outermost(events, tasks) }] : []))
  const page = pages.toSorted((one, other) => other.mainMs - one.mainMs)[0]
  if (page === undefined) throw new Error('The trace has no main thread of a page')
  const { mainMs, events } = page
  return { mainMs, scriptMs: outermost(events, scripts), drawMs: outermost(events, drawing), rasterMs: outermost(traceEvents, rasters) }
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  /** Microseconds. */
  readonly ts: number
  readonly dur?: number
  /** Microseconds of CPU time. */
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

/** The CPU time of events with these names, in ms. Events inside of other such events of their thread are not counted again. */
function outermost(events: readonly TraceEvent[], names: ReadonlySet<string>): number {
  const ends = new Map<string, number>()
  let micros = 0
  for (const { pid, tid, ts, dur = 0, tdur } of events.filter(({ ph, name }) => ph === 'X' && names.has(name)).toSorted((a, b) => a.ts - b.ts)) {
    const thread = `${pid} ${tid}`
    if (ts < (ends.get(thread) ?? 0)) continue
    ends.set(thread, ts + dur)
    micros += tdur ?? dur
  }
  return micros / 1000
}

const tasks: ReadonlySet<string> = new Set(['RunTask'])
const scripts: ReadonlySet<string> = new Set(['RunMicrotasks', 'FunctionCall', 'EvaluateScript', 'FireAnimationFrame', 'TimerFire', 'EventDispatch'])
const drawing: ReadonlySet<string> = new Set(['UpdateLayoutTree', 'Layout', 'PrePaint', 'Paint', 'Layerize', 'Commit', 'UpdateLayer'])
const rasters: ReadonlySet<string> = new Set(['RasterTask', 'RasterizerTaskImpl::RunOnWorkerThread'])
