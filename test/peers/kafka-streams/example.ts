import fc from 'fast-check'
import type { Example, InputRecord, Step, Windows } from './program.ts'

type Made = 'stream' | 'table' | 'windowed' | 'global' | 'none'

/** Random programs over three topics, and random input for them: late, out of order, with nulls, repeats and far jumps. */
export const examples: fc.Arbitrary<Example> = fc
  .record({
    optimization: fc.constantFrom('none' as const, 'all' as const),
    cached: fc.boolean(),
    shifts: fc.boolean(),
    start: fc.constantFrom(0, 0, 1_764_000_000_000),
    history: fc.constantFrom(0, 5, 20, 40, 100_000),
    choices: fc.array(fc.nat({ max: 1_000_000 }), { minLength: 1, maxLength: 7 }),
    records: fc.array(
      fc.record({
        topic: fc.constantFrom('in0', 'in1', 'in2', 'in3', 'in4', 'in4'),
        key: fc.oneof({ weight: 12, arbitrary: fc.constantFrom('a', 'b', 'ab') }, { weight: 1, arbitrary: fc.constant(null) }),
        value: fc.oneof({ weight: 8, arbitrary: fc.constantFrom('1', '2', '3', '4x', '5y', 'a', 'b2') }, { weight: 1, arbitrary: fc.constant(null) }),
        step: fc.oneof(
          { weight: 12, arbitrary: fc.integer({ min: -25, max: 30 }) },
          { weight: 2, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.integer({ min: 30, max: 200_000 }) },
        ),
        crash: fc.oneof({ weight: 15, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      }),
      { minLength: 1, maxLength: 40 },
    ),
  })
  .map(({ optimization, cached, shifts, start, history, choices, records }) => {
    const steps = stepsOf(choices, history)
    return { optimization, cached: cached && !steps.some(readsPastRetention), shifts, steps, records: timed(start, records) }
  })

/**
 * Each side of a cogroup has its own stream time, and they share a store. A record may be in time for its side and too late for the store, and Kafka
 * Streams still finds the row while it lies in the cache.
 */
function readsPastRetention(step: Step): boolean {
  return step.op === 'cogroup' && step.windows !== null && step.of !== step.other
}

/**
 * Updates of the tables of two topics, with deletes, in buffers that a byte more or less fills. `shutDown`: the first of them stops the application.
 */
export function fullBuffer(maxBytes: number, shutDown: boolean): Example {
  const records: InputRecord[] = []
  const draw = drawing(7)
  for (let timestamp = 0; timestamp < 40; timestamp++) {
    const topic = draw(3) === 0 ? 'longer' : 'in2'
    records.push({
      topic,
      key: 'k'.repeat(1 + draw(4)),
      value: draw(6) === 0 ? null : 'v'.repeat(draw(9)) + draw(3),
      timestamp,
      crash: draw(9) === 0,
    })
  }
  return {
    optimization: 'none',
    cached: false,
    shifts: false,
    steps: [
      { op: 'table', topic: 'in2' },
      { op: 'stream', topic: 'longer' },
      { op: 'toTable', of: 1 },
      { op: 'suppress', of: 0, limit: 1000, maxRecords: null, maxBytes, shutDown },
      { op: 'tableJoin', of: 3, other: 2, kind: 'outer' },
      { op: 'suppress', of: 4, limit: 50, maxRecords: null, maxBytes: maxBytes + 70 },
      { op: 'toStream', of: 5 },
      { op: 'to', of: 6, topic: 'out' },
    ],
    records,
  }
}

function timed(start: number, records: readonly (Omit<InputRecord, 'timestamp'> & { readonly step: number })[]): InputRecord[] {
  let now = start
  return records.map(({ topic, key, value, step, crash }) => {
    now = Math.max(0, now + step)
    return { topic, key, value, timestamp: now, crash }
  })
}

function stepsOf(choices: readonly number[], ...history: readonly number[]): Step[] {
  const steps: Step[] = [
    { op: 'stream', topic: 'in0' },
    { op: 'stream', topic: 'in1' },
    { op: 'table', topic: 'in2' },
    { op: 'globalTable', topic: 'in3' },
    { op: 'versionedTable', topic: 'in4', history: history[0] ?? 0 },
  ]
  const made: Made[] = ['stream', 'stream', 'table', 'global', 'table']
  const used = new Set<number>()
  for (const choice of choices) {
    const draw = drawing(choice)
    const step = oneStep(draw, made)
    if (step === null) continue
    steps.push(step.step)
    made.push(step.makes)
    if ('of' in step.step) used.add(step.step.of)
    if ('other' in step.step) used.add(step.step.other)
  }
  for (const [at, kind] of [...made.entries()]) {
    if (used.has(at) || kind === 'none' || kind === 'global') continue
    let of = at
    if (kind !== 'stream') {
      steps.push({ op: 'toStream', of })
      of = steps.length - 1
    }
    steps.push({ op: 'to', of, topic: `out${at}` })
  }
  return steps
}

/** Choices drawn from the digits of a number. */
function drawing(seed: number): (below: number) => number {
  let left = seed * 2_654_435_761 + 12_345
  return (below) => {
    left = (left * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((left / 2_147_483_648) * below)
  }
}

function oneStep(draw: (below: number) => number, made: readonly Made[]): { readonly step: Step; readonly makes: Made } | null {
  const of = draw(made.length)
  const pick = (kind: Made) => {
    const found = [...made.entries()].flatMap(([at, other]) => (other === kind && at !== of ? [at] : []))
    return found[draw(Math.max(1, found.length))] ?? null
  }
  switch (made[of]) {
    case 'stream':
      return ofStream(draw, of, pick)
    case 'table':
      return ofTable(draw, of, pick)
    case 'windowed':
      return ofWindowed(draw, of)
    default:
      return null
  }
}

function ofStream(
  draw: (below: number) => number,
  of: number,
  pick: (kind: Made) => number | null,
): { readonly step: Step; readonly makes: Made } | null {
  const simple = ['filter', 'filterNot', 'mapValues', 'flatMapValues', 'flatMap', 'selectKey', 'map', 'repartition'] as const
  const at = draw(26)
  if (at > 24) return { step: { op: 'stream', topic: draw(2) === 0 ? 'in0' : 'in1' }, makes: 'stream' }
  if (at > 23) {
    const [before, after, grace] = [draw(20), draw(20), draw(20)]
    const kind = (['inner', 'inner', 'left', 'outer'] as const)[draw(4)] ?? 'inner'
    return { step: { op: 'streamJoin', of, other: of, kind, before, after, grace }, makes: 'stream' }
  }
  if (at > 21) {
    const other = pick('global')
    return other === null ? null : { step: { op: 'globalJoin', of, other, kind: draw(2) === 0 ? 'inner' : 'left' }, makes: 'stream' }
  }
  if (at > 19) {
    const other = pick('stream')
    const windows = windowsOf(draw)
    const step: Step | null = other === null ? null : { op: 'cogroup', of, other, windows }
    return step === null ? null : { step, makes: windows === null ? 'table' : 'windowed' }
  }
  if (at < simple.length) return { step: { op: simple[at] ?? 'filter', of }, makes: 'stream' }
  if (at === 8) return { step: { op: 'toTable', of }, makes: 'table' }
  if (at === 9) {
    const other = pick('stream')
    return other === null ? null : { step: { op: 'merge', of, other }, makes: 'stream' }
  }
  if (at < 12) {
    const other = pick('table')
    const kind = draw(2) === 0 ? 'inner' : 'left'
    const grace = draw(2) === 0 ? null : draw(20)
    return other === null ? null : { step: { op: 'streamTableJoin', of, other, kind, grace }, makes: 'stream' }
  }
  if (at < 15) {
    const other = pick('stream')
    const kind = (['inner', 'left', 'outer'] as const)[draw(3)] ?? 'inner'
    const step: Step | null = other === null ? null : { op: 'streamJoin', of, other, kind, before: draw(20), after: draw(20), grace: draw(20) }
    return step === null ? null : { step, makes: 'stream' }
  }
  const fn = (['count', 'reduce', 'aggregate'] as const)[draw(3)] ?? 'count'
  const windows = windowsOf(draw)
  return {
    step: {
      op: 'aggregate',
      of,
      by: draw(2) === 0 ? 'key' : 'value',
      fn,
      windows,
      onClose: windows !== null && windows.kind !== 'unlimited' && draw(4) === 0,
    },
    makes: windows === null ? 'table' : 'windowed',
  }
}

function windowsOf(draw: (below: number) => number): Windows | null {
  const kind = (['none', 'time', 'time', 'sliding', 'session', 'unlimited'] as const)[draw(6)] ?? 'none'
  const size = 1 + draw(30)
  return kind === 'none' ? null : { kind, size, advance: 1 + draw(size), grace: draw(25) }
}

function ofTable(
  draw: (below: number) => number,
  of: number,
  pick: (kind: Made) => number | null,
): { readonly step: Step; readonly makes: Made } | null {
  const at = draw(11)
  if (at < 3) return { step: { op: (['filter', 'filterNot', 'mapValues'] as const)[at] ?? 'filter', of }, makes: 'table' }
  if (at === 3) return { step: { op: 'toStream', of }, makes: 'stream' }
  if (at < 6) return { step: { op: 'tableAggregate', of, fn: (['count', 'reduce', 'aggregate'] as const)[draw(3)] ?? 'count' }, makes: 'table' }
  if (at === 6) return { step: { op: 'suppress', of, limit: draw(40), ...bound(draw) }, makes: 'table' }
  const other = pick('table')
  if (at > 8) return other === null ? null : { step: { op: 'foreignKeyJoin', of, other, kind: draw(2) === 0 ? 'inner' : 'left' }, makes: 'table' }
  return other === null
    ? null
    : { step: { op: 'tableJoin', of, other, kind: (['inner', 'left', 'outer'] as const)[draw(3)] ?? 'inner' }, makes: 'table' }
}

function ofWindowed(draw: (below: number) => number, of: number): { readonly step: Step; readonly makes: Made } {
  if (draw(2) === 0) return { step: { op: 'toStream', of }, makes: 'stream' }
  return { step: { op: 'suppress', of, limit: draw(2) === 0 ? null : draw(40), ...bound(draw) }, makes: 'windowed' }
}

/** Bounds of a suppression's buffer. Few buffers shut down, since the outputs of a stopped program are not compared. */
function bound(draw: (below: number) => number): { readonly maxRecords: number | null; readonly maxBytes?: number; readonly shutDown?: boolean } {
  return draw(2) === 0 ? { maxRecords: 1 + draw(4) } : { maxRecords: null, maxBytes: 30 + draw(300), shutDown: draw(6) === 0 }
}
