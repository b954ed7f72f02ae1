import { Consumed } from '../../topology/consumed.ts'
import type { Topology } from '../../topology/graph.ts'
import { Produced } from '../../topology/produced.ts'
import { Serdes } from '../../topology/serdes.ts'
import { Grouped, StreamJoined } from '../../topology/streams/options.ts'
import { StreamsBuilder } from '../../topology/streams/streams-builder.ts'
import { BufferConfig, Suppressed } from '../../topology/streams/suppressed.ts'
import { JoinWindows, SessionWindows, SlidingWindows, TimeWindows } from '../../topology/streams/windows.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)
const counted = Produced.with(text, Serdes.long())
const written = Produced.with(text, text)
const windowMs = 1000

/** The programs of `kafka-streams/Bench.java`, line for line. Input topics are `in0`, `in1`; the output is `out`. */
export const streamsWorkloads: readonly { readonly name: string; readonly inputs: number; build(): Topology }[] = [
  workload('stateless', 1, (builder) =>
    builder
      .stream('in0', read)
      .filter((_, value) => value !== '')
      .mapValues((value) => `${value}!`)
      .to('out', written),
  ),
  workload('count', 1, (builder) => grouped(builder).count().toStream().to('out', counted)),
  workload('tumbling', 1, (builder) =>
    grouped(builder)
      .windowedBy(TimeWindows.ofSizeWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to('out', counted),
  ),
  workload('sliding', 1, (builder) =>
    grouped(builder)
      .windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to('out', counted),
  ),
  workload('session', 1, (builder) =>
    grouped(builder)
      .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(windowMs))
      .count()
      .toStream()
      .selectKey(({ key }) => key)
      .to('out', counted),
  ),
  workload('stream-stream join', 2, (builder) =>
    builder
      .stream('in0', read)
      .join(builder.stream('in1', read), (left) => left, JoinWindows.ofTimeDifferenceWithNoGrace(windowMs), StreamJoined.with(text, text, text))
      .to('out', written),
  ),
  workload('stream-table join', 2, (builder) =>
    builder
      .stream('in0', read)
      .join(builder.table('in1', read), (left) => left)
      .to('out', written),
  ),
  workload('table-table join', 2, (builder) =>
    builder
      .table('in0', read)
      .join(builder.table('in1', read), (left) => left)
      .toStream()
      .to('out', written),
  ),
  workload('suppress', 1, (builder) =>
    grouped(builder)
      .windowedBy(TimeWindows.ofSizeWithNoGrace(windowMs))
      .count()
      .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
      .toStream()
      .selectKey(({ key }) => key)
      .to('out', counted),
  ),
]

function workload(name: string, inputs: number, program: (builder: StreamsBuilder) => void) {
  return {
    name,
    inputs,
    build() {
      const builder = new StreamsBuilder()
      program(builder)
      return builder.build()
    },
  }
}

function grouped(builder: StreamsBuilder) {
  return builder.stream('in0', read).groupByKey(Grouped.with(text, text))
}
