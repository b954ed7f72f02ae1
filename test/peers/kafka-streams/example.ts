import fc from 'fast-check'
import type { Topology } from '../../../topology/graph.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { stepsOf } from './operators.ts'
import { processName } from './processors.ts'
import { topologyOf } from './program.ts'
import { drawing } from './random.ts'
import type { Example, InputRecord, Step } from './steps.ts'

const rarely = fc.oneof({ weight: 15, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

/**
 * Random programs over seven topics, and random input for these programs. The input is late, out of order, and has nulls, repeats, headers, far jumps
 * and moves of the clock.
 */
export const examples: fc.Arbitrary<Example> = fc
  .record({
    optimization: fc.constantFrom('none' as const, 'all' as const),
    cached: fc.boolean(),
    shifts: fc.boolean(),
    partitions: fc.constantFrom(1, 2, 3),
    restarts: fc.constantFrom(true, false, false),
    start: fc.constantFrom(0, 0, 1_764_000_000_000),
    history: fc.constantFrom(0, 5, 20, 40, 100_000),
    // The choices have no bias for small numbers. With fast-check's bias, the same steps would be made again and again.
    choices: fc.noBias(fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 7 })),
    records: fc.array(
      fc.record({
        topic: fc.constantFrom('in0', 'in0', 'in1', 'in1', 'in2', 'in2', 'in3', 'in4', 'in4', 'in5', 'in6'),
        key: fc.oneof({ weight: 12, arbitrary: fc.constantFrom('a', 'b', 'ab') }, { weight: 1, arbitrary: fc.constant(null) }),
        value: fc.oneof({ weight: 8, arbitrary: fc.constantFrom('1', '2', '3', '4x', '5y', 'a', 'b2') }, { weight: 1, arbitrary: fc.constant(null) }),
        step: fc.oneof(
          { weight: 12, arbitrary: fc.integer({ min: -25, max: 30 }) },
          { weight: 2, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.integer({ min: 30, max: 200_000 }) },
        ),
        headers: fc.array(fc.tuple(fc.constantFrom('h', 'i'), fc.constantFrom('', 'x', 'y')), { maxLength: 2 }),
        clockMs: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 10, 25, 100_000) }),
        crash: rarely,
      }),
      { minLength: 1, maxLength: 40 },
    ),
  })
  .map(({ start, history, choices, records, ...example }) =>
    comparable({ ...example, steps: stepsOf(choices, { history, restarts: example.restarts }), records: timed(start, records) }),
  )

/** Leaves out the parts of an example in which Kafka Streams' test driver differs from Kafka Streams' threads. */
function comparable(example: Example): Example {
  const topology = topologyOrNull(example)
  const { steps, topics } = ticking(example.steps, topology)
  // Buffered records contain their partition. In each of Kafka Streams' drivers the partition is 0.
  const isSplit = topology?.internalTopics.size === 0 && !steps.some(buffers)
  // A task that starts again also schedules its punctuations again.
  const schedules = steps.some((step) => step.op === 'process' && (step.how === 'streamTime' || step.how === 'clock'))
  const restarts = example.restarts && !schedules
  return {
    ...example,
    cached: example.cached && !steps.some(readsPastRetention),
    partitions: isSplit ? example.partitions : 1,
    restarts,
    // A restart forgets the partitions' times.
    shifts: example.shifts && !restarts,
    steps,
    records: example.records.filter(({ topic }) => topics.has(topic)).map((record) => (schedules ? { ...record, crash: false } : record)),
  }
}

/**
 * The steps, and the topics that have records. Kafka Streams' driver runs all sub-topologies as one task with one stream time. So punctuations by
 * stream time are compared only in a sub-topology that reads from no other sub-topology. Only the topics of this sub-topology have records.
 */
function ticking(steps: readonly Step[], topology: Topology | null): { readonly steps: readonly Step[]; readonly topics: ReadonlySet<string> } {
  const ticks = (step: Step) => step.op === 'process' && step.how === 'streamTime'
  const first = steps.findIndex(ticks)
  const all = new Set(steps.flatMap((step) => (step.op === 'streams' ? step.topics : 'topic' in step ? [step.topic] : [])))
  if (first < 0) return { steps, topics: all }
  const parts = topology?.subtopologies() ?? []
  const own = parts.find(({ nodes, sources }) => nodes.some(({ name }) => name === processName(first)) && sources.every((topic) => all.has(topic)))
  const isOwn = (at: number) => own?.nodes.some(({ name }) => name === processName(at)) === true
  return {
    steps: steps.map((step, at) => (step.op === 'process' && ticks(step) && !isOwn(at) ? { ...step, how: 'rekey' } : step)),
    topics: own === undefined ? all : new Set([...own.sources, ...parts.filter(({ isGlobal }) => isGlobal).flatMap(({ sources }) => sources)]),
  }
}

/** The topology of an example; null if the program is refused. */
function topologyOrNull(example: Example): Topology | null {
  try {
    return topologyOf(example)
  } catch (error) {
    if (error instanceof WaggleError) return null
    throw error
  }
}

/**
 * True if a step may read rows past their retention. The sides of a cogroup share a store, but have separate stream times. So a record may be in time
 * for its side and too late for the store. Kafka Streams still finds the row as long as its cache has the row.
 */
function readsPastRetention(step: Step): boolean {
  return step.op === 'cogroup' && step.windows !== null && step.of !== step.other
}

function buffers(step: Step): boolean {
  return step.op === 'suppress' || (step.op === 'streamTableJoin' && step.grace !== null)
}

/**
 * Updates of the tables of two topics, with deletes, in buffers. One byte more or less decides whether the buffers reach their limit. `shutDown`: the
 * first full buffer stops the application.
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
      headers: [],
      clockMs: 0,
      crash: draw(9) === 0,
    })
  }
  return {
    optimization: 'none',
    cached: false,
    shifts: false,
    partitions: 1,
    restarts: false,
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
  return records.map(({ step, ...record }) => {
    now = Math.max(0, now + step)
    return { ...record, timestamp: now }
  })
}
