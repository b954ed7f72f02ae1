import { type Application, streamsStates } from '../../processor/application/application.ts'
import type { Metric } from '../../processor/metrics/meters.ts'

/**
 * The metrics of an application under the names of Kafka Streams: metrics of the client (KIP-444, KIP-1091), and of its threads, tasks, nodes and
 * stores.
 */
export function metricsOf(
  client: { readonly applicationId: string; readonly processId: string },
  application: Application,
  now: number,
): readonly Metric[] {
  const { applicationId, processId } = client
  const group = 'stream-metrics'
  const tags = { 'client-id': applicationId }
  const alive = application.threads.all.filter(({ state }) => state !== 'CREATED' && state !== 'DEAD').length
  const ofProcess = { 'process-id': processId, ...tags }
  return [
    { group, name: 'alive-stream-threads', tags, value: alive },
    { group, name: 'failed-stream-threads', tags, value: application.threads.failed },
    {
      group,
      name: 'client-state',
      tags: { 'process-id': processId, 'application-id': applicationId, ...tags },
      value: streamsStates.indexOf(application.state),
    },
    // The value 0 means Kafka's level INFO. Waggle has no recording levels, and always records all of its metrics.
    { group, name: 'recording-level', tags: ofProcess, value: 0 },
    // The metric for a thread's state also has the process id as a tag (KIP-1091).
    ...application.metrics(now).map((one) => (one.name === 'thread-state' ? { ...one, tags: { 'process-id': processId, ...one.tags } } : one)),
  ]
}
