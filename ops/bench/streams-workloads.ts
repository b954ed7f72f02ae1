import { Consumed } from '../../topology/consumed.ts'
import type { Topology } from '../../topology/graph.ts'
import { Produced } from '../../topology/produced.ts'
import { Serdes } from '../../topology/serdes.ts'
import { StreamJoined } from '../../topology/streams/join-options.ts'
import { Grouped } from '../../topology/streams/options.ts'
import { StreamsBuilder } from '../../topology/streams/streams-builder.ts'
import { BufferConfig, Suppressed } from '../../topology/streams/suppressed.ts'
import { JoinWindows, SessionWindows, SlidingWindows, TimeWindows } from '../../topology/streams/windows.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)
const counted = Produced.with(text, Serdes.long())
const written = Produced.with(text, text)

export interface StreamsWorkload {
  readonly name: string
  readonly inputs: number
  build(setting?: WorkloadSetting): Topology
}

interface WorkloadSetting {
  readonly windowMs: number
  /** The common prefix of the names of the input topics. A name is the prefix followed by 0 or 1. */
  readonly input: string
  readonly output: string
}

/** The same programs as in `kafka-streams/Bench.java`, line for line. */
export const streamsWorkloads: readonly StreamsWorkload[] = [
  workload('stateless', 1, (builder, { input, output }) =>
    builder
      .stream(`${input}0`, read)
      .filter((_, value) => value !== '')
      .mapValues((value) => `${value}!`)
      .to(output, written),
  ),
  workload('count', 1, (builder, { input, output }) => grouped(builder, input).count().toStream().to(output, counted)),
  workload('tumbling', 1, (builder, { windowMs, input, output }) =>
    grouped(builder, input)
      .windowedBy(TimeWindows.ofSizeWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to(output, counted),
  ),
  workload('sliding', 1, (builder, { windowMs, input, output }) =>
    grouped(builder, input)
      .windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to(output, counted),
  ),
  workload('session', 1, (builder, { windowMs, input, output }) =>
    grouped(builder, input)
      .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to(output, counted),
  ),
  workload('stream-stream join', 2, (builder, { windowMs, input, output }) =>
    builder
      .stream(`${input}0`, read)
      .join(builder.stream(`${input}1`, read), (left) => left, JoinWindows.ofTimeDifferenceWithNoGrace(windowMs), StreamJoined.with(text, text, text))
      .to(output, written),
  ),
  workload('stream-table join', 2, (builder, { input, output }) =>
    builder
      .stream(`${input}0`, read)
      .join(builder.table(`${input}1`, read), (left) => left)
      .to(output, written),
  ),
  workload('table-table join', 2, (builder, { input, output }) =>
    builder
      .table(`${input}0`, read)
      .join(builder.table(`${input}1`, read), (left) => left)
      .toStream()
      .to(output, written),
  ),
  workload('suppress', 1, (builder, { windowMs, input, output }) =>
    grouped(builder, input)
      .windowedBy(TimeWindows.ofSizeWithNoGrace(windowMs))
      .count()
      .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
      .toStream()
      .selectKey(({ key }) => key)
      .to(output, counted),
  ),
]

function workload(name: string, inputs: number, program: (builder: StreamsBuilder, setting: WorkloadSetting) => void): StreamsWorkload {
  return {
    name,
    inputs,
    build(setting = { windowMs: 1000, input: 'in', output: 'out' }) {
      const builder = new StreamsBuilder()
      program(builder, setting)
      return builder.build()
    },
  }
}

function grouped(builder: StreamsBuilder, input: string) {
  return builder.stream(`${input}0`, read).groupByKey(Grouped.with(text, text))
}
