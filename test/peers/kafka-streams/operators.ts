import { type Draw, drawing, oneOf } from './random.ts'
import type { Step, Windows } from './steps.ts'

type Made = 'stream' | 'table' | 'windowed' | 'global' | 'none'

/** A program under construction: its steps, and the kind of each step's result. */
class Draft {
  readonly steps: Step[] = []
  readonly #made: Made[] = []

  add(step: Step, makes: Made): number {
    this.#made.push(makes)
    return this.steps.push(step) - 1
  }

  /** An earlier step with this kind of result. If no step gives a windowed table, this function adds such a step. */
  any(draw: Draw, kind: Made, not = -1): number {
    const found = this.#made.flatMap((made, at) => (made === kind && at !== not ? [at] : []))
    if (found.length > 0) return found[draw(found.length)] ?? 0
    return this.add(
      { op: 'aggregate', of: this.any(draw, 'stream'), by: 'key', fn: fnOf(draw), windows: windowsOf(draw, 'time'), onClose: false },
      kind,
    )
  }

  /** Writes each result that no step reads to a topic of its own. */
  finish(): void {
    const used = new Set(this.steps.flatMap((step) => [...('of' in step ? [step.of] : []), ...('other' in step ? [step.other] : [])]))
    for (const [at, kind] of [...this.#made.entries()]) {
      if (used.has(at) || kind === 'none' || kind === 'global') continue
      const of = kind === 'stream' ? at : this.add({ op: 'toStream', of: at }, 'stream')
      this.add({ op: 'to', of, topic: `out${at}` }, 'none')
    }
  }
}

/** Adds a step of one kind to a program. */
type Operator = (draft: Draft, draw: Draw) => void

const ofStream =
  (op: 'filter' | 'filterNot' | 'mapValues' | 'flatMapValues' | 'flatMap' | 'selectKey' | 'map' | 'repartition'): Operator =>
  (draft, draw) =>
    draft.add({ op, of: draft.any(draw, 'stream') }, 'stream')

const ofTable =
  (op: 'filter' | 'filterNot' | 'mapValues'): Operator =>
  (draft, draw) =>
    draft.add({ op, of: draft.any(draw, 'table') }, 'table')

const aggregate =
  (kind: Windows['kind'] | null, onClose = false): Operator =>
  (draft, draw) => {
    const windows = kind === null ? null : windowsOf(draw, kind)
    const by = draw(2) === 0 ? 'key' : 'value'
    draft.add({ op: 'aggregate', of: draft.any(draw, 'stream'), by, fn: fnOf(draw), windows, onClose }, kind === null ? 'table' : 'windowed')
  }

const cogroup =
  (kinds: readonly [Windows['kind'] | null, ...(Windows['kind'] | null)[]]): Operator =>
  (draft, draw) => {
    const of = draft.any(draw, 'stream')
    const kind = oneOf(draw, kinds)
    const windows = kind === null ? null : windowsOf(draw, kind)
    draft.add({ op: 'cogroup', of, other: draft.any(draw, 'stream', of), windows }, kind === null ? 'table' : 'windowed')
  }

const streamJoin =
  (withItself: boolean): Operator =>
  (draft, draw) => {
    const of = draft.any(draw, 'stream')
    const other = withItself ? of : draft.any(draw, 'stream', of)
    const kind = oneOf(draw, ['inner', 'left', 'outer'] as const)
    draft.add({ op: 'streamJoin', of, other, kind, before: draw(20), after: draw(20), grace: draw(20) }, 'stream')
  }

const streamTableJoin =
  (hasGrace: boolean): Operator =>
  (draft, draw) => {
    const other = hasGrace ? draft.steps.findIndex(({ op }) => op === 'versionedTable') : draft.any(draw, 'table')
    const kind = oneOf(draw, ['inner', 'left'] as const)
    draft.add({ op: 'streamTableJoin', of: draft.any(draw, 'stream'), other, kind, grace: hasGrace ? draw(20) : null }, 'stream')
  }

const suppress =
  (of: 'table' | 'windowed'): Operator =>
  (draft, draw) =>
    draft.add({ op: 'suppress', of: draft.any(draw, of), limit: draw(40), ...boundOf(draw) }, of)

/** Steps that keep nothing except the rows of their stores, so a restart changes no result. */
const ofRows: { readonly [name: string]: Operator } = {
  stream: (draft, draw) => draft.add({ op: 'stream', topic: oneOf(draw, ['in0', 'in1']) }, 'stream'),
  streams: (draft, draw) =>
    draft.add(
      {
        op: 'streams',
        topics: oneOf(draw, [
          ['in5', 'in6'],
          ['in6', 'in5'],
        ]),
      },
      'stream',
    ),
  filter: ofStream('filter'),
  filterNot: ofStream('filterNot'),
  mapValues: ofStream('mapValues'),
  flatMapValues: ofStream('flatMapValues'),
  flatMap: ofStream('flatMap'),
  selectKey: ofStream('selectKey'),
  map: ofStream('map'),
  repartition: ofStream('repartition'),
  merge(draft, draw) {
    const of = draft.any(draw, 'stream')
    draft.add({ op: 'merge', of, other: draft.any(draw, 'stream', of) }, 'stream')
  },
  branches(draft, draw) {
    const of = draft.add({ op: 'split', of: draft.any(draw, 'stream') }, 'none')
    draft.add({ op: 'branch', of, isDefault: false }, 'stream')
    draft.add({ op: 'branch', of, isDefault: true }, 'stream')
  },
  process: (draft, draw) =>
    draft.add({ op: 'process', of: draft.any(draw, 'stream'), how: oneOf(draw, ['rekey', 'count', 'streamTime', 'clock'] as const) }, 'stream'),
  processValues: (draft, draw) =>
    draft.add({ op: 'processValues', of: draft.any(draw, 'stream'), how: oneOf(draw, ['mark', 'count'] as const) }, 'stream'),
  toTable: (draft, draw) => draft.add({ op: 'toTable', of: draft.any(draw, 'stream') }, 'table'),
  aggregate: aggregate(null),
  cogroup: cogroup([null]),
  streamTableJoin: streamTableJoin(false),
  globalJoin: (draft, draw) =>
    draft.add(
      { op: 'globalJoin', of: draft.any(draw, 'stream'), other: draft.any(draw, 'global'), kind: oneOf(draw, ['inner', 'left'] as const) },
      'stream',
    ),
  'filter of a table': ofTable('filter'),
  'filterNot of a table': ofTable('filterNot'),
  'mapValues of a table': ofTable('mapValues'),
  tableAggregate: (draft, draw) => draft.add({ op: 'tableAggregate', of: draft.any(draw, 'table'), fn: fnOf(draw) }, 'table'),
  tableJoin(draft, draw) {
    const of = draft.any(draw, 'table')
    draft.add({ op: 'tableJoin', of, other: draft.any(draw, 'table', of), kind: oneOf(draw, ['inner', 'left', 'outer'] as const) }, 'table')
  },
  foreignKeyJoin(draft, draw) {
    const of = draft.any(draw, 'table')
    draft.add({ op: 'foreignKeyJoin', of, other: draft.any(draw, 'table', of), kind: oneOf(draw, ['inner', 'left'] as const) }, 'table')
  },
  toStream: (draft, draw) => draft.add({ op: 'toStream', of: draft.any(draw, 'table') }, 'stream'),
}

/** Steps that remember times or numbers beside their rows. Kafka Streams forgets some of these times and numbers in a restart. */
const ofTimes: { readonly [name: string]: Operator } = {
  'time windows': aggregate('time'),
  'sliding windows': aggregate('sliding'),
  'session windows': aggregate('session'),
  'unlimited windows': aggregate('unlimited'),
  'time windows on close': aggregate('time', true),
  'sliding windows on close': aggregate('sliding', true),
  'session windows on close': aggregate('session', true),
  'windowed cogroup': cogroup(['time', 'sliding', 'session', 'unlimited']),
  streamJoin: streamJoin(false),
  'streamJoin with itself': streamJoin(true),
  'streamTableJoin with grace': streamTableJoin(true),
  suppress: suppress('table'),
  'suppress of windows': suppress('windowed'),
  'suppress until windows close': (draft, draw) =>
    draft.add({ op: 'suppress', of: draft.any(draw, 'windowed'), limit: null, maxRecords: null }, 'windowed'),
  'toStream of windows': (draft, draw) => draft.add({ op: 'toStream', of: draft.any(draw, 'windowed') }, 'stream'),
}

/** A program with a step for each choice. All kinds of steps are equally likely. `restarts`: leaves out steps that remember times. */
export function stepsOf(
  choices: readonly number[],
  { history, restarts }: { readonly history: number; readonly restarts: boolean },
): readonly Step[] {
  const draft = new Draft()
  for (const topic of ['in0', 'in1']) draft.add({ op: 'stream', topic }, 'stream')
  draft.add({ op: 'table', topic: 'in2' }, 'table')
  draft.add({ op: 'globalTable', topic: 'in3' }, 'global')
  draft.add(restarts ? { op: 'table', topic: 'in4' } : { op: 'versionedTable', topic: 'in4', history }, 'table')
  const all = Object.values(restarts ? ofRows : { ...ofRows, ...ofTimes })
  for (const choice of choices) {
    const draw = drawing(choice)
    all[draw(all.length)]?.(draft, draw)
  }
  draft.finish()
  return draft.steps
}

function fnOf(draw: Draw): 'count' | 'reduce' | 'aggregate' {
  return oneOf(draw, ['count', 'reduce', 'aggregate'])
}

function windowsOf(draw: Draw, kind: Windows['kind']): Windows {
  const size = 1 + draw(30)
  return { kind, size, advance: 1 + draw(size), grace: draw(25) }
}

/** Bounds of a suppression's buffer. Only few buffers shut the program down, because the outputs of a stopped program are not compared. */
function boundOf(draw: Draw): { readonly maxRecords: number | null; readonly maxBytes?: number; readonly shutDown?: boolean } {
  return draw(2) === 0 ? { maxRecords: 1 + draw(4) } : { maxRecords: null, maxBytes: 30 + draw(300), shutDown: draw(6) === 0 }
}
