import { TopologyTestDriver } from '../../../processor/simulation/topology-test-driver.ts'
import type { TimestampExtractor } from '../../../topology/consumed.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { topologyOf } from './program.ts'
import type { Example, Outputs } from './steps.ts'
import { hex } from './text.ts'

/** The records that an example's program writes, and the text of its description. */
export interface Ran {
  readonly outputs: Outputs
  readonly description: string
}

/** Runs an example in Waggle's test driver. */
export async function run({ optimization, cached, shifts, partitions, steps, records }: Example): Promise<Ran> {
  const topology = topologyOf({ steps, optimization })
  await using driver = new TopologyTestDriver(topology, {
    applicationId: 'app',
    defaultKeySerde: text,
    defaultValueSerde: text,
    cacheMaxBytes: cached ? 10_000_000 : 0,
    partitions: Object.fromEntries(steps.flatMap((step) => topicsOf(step).map((topic) => [topic, step.op === 'globalTable' ? 1 : partitions]))),
    ...(shifts ? { timestampExtractor: shifted } : {}),
  })
  const inputs = new Map<string, ReturnType<typeof driver.createInputTopic<string, string>>>()
  for (const { topic, key, value, timestamp, headers, clockMs, crash } of records) {
    const input = inputs.get(topic) ?? driver.createInputTopic(topic, text, text)
    inputs.set(topic, input)
    if (clockMs > 0) await driver.advanceWallClockTime(clockMs)
    await input.pipeInput({ key, value, timestamp, headers: headers.map(([name, content]) => ({ key: name, value: Buffer.from(content) })) })
    if (crash) await driver.crash()
  }
  const outputs: { [topic: string]: Outputs[string] } = {}
  for (const topic of driver.producedTopicNames) {
    const list = driver.createOutputTopic(topic, bytes, bytes).readRecordsToList()
    outputs[topic] = list.map(({ key, value, timestamp, headers }) => [
      hex(key),
      hex(value),
      timestamp,
      headers.map((header) => `${header.key}=${hex(header.value)}`),
    ])
  }
  return { outputs, description: topology.describe().toString() }
}

/** The partition of a record in an input topic. */
export function partitionOf(key: string | null, partitions: number): number {
  return key === null ? 0 : partitionForKey(Buffer.from(key), partitions)
}

function topicsOf(step: Example['steps'][number]): readonly string[] {
  if (step.op === 'streams') return step.topics
  return 'topic' in step && step.op !== 'to' ? [step.topic] : []
}

const text = Serdes.string()
const bytes = Serdes.bytes()
const shifted: TimestampExtractor = ({ value, timestamp }, partitionTime) =>
  typeof value !== 'string' ? timestamp : value === '5y' ? partitionTime : timestamp - 7 + 5 * value.length
