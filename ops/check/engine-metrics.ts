import { RestoreMeters } from '../../processor/metrics/restore-meters.ts'
import { TaskMeters } from '../../processor/metrics/task-meters.ts'
import { ThreadMeters } from '../../processor/metrics/thread-meters.ts'
import { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'
import { promName } from '../telemetry/engine-families.ts'

/** The names of the engine's metrics for Prometheus, from the meters themselves. A metric without a value in the last minute is also included. */
export function engineMetricNames(): ReadonlySet<string> {
  const thread = new ThreadMeters('thread', { startedAt: 0, state: () => 0 })
  const task = new TaskMeters('0_0', thread)
  const node = task.node('node')
  void [node.endToEnd, node.source, node.suppressionEmit, node.finalEmit, task.deadLetters, task.buffer('store')]
  node.traffic('topic', 'consumed')
  node.traffic('topic', 'produced')
  const restore = new RestoreMeters('thread', new SimulatedClock(), { restoring: () => 0, updating: () => 0, remaining: () => 0 })
  restore.record('0_0', 'restore', 1)
  const lag = { group: 'consumer-fetch-manager-metrics', name: 'records-lag' }
  return new Set([...thread.read(0), ...task.read(0), ...restore.read(0), lag].map((metric) => promName(metric).name))
}
