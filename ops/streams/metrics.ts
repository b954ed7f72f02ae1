import type { Application } from '../../processor/streams.ts'

/** One number of a running application, named as Kafka Streams names it (KIP-444). */
export interface Metric {
  readonly group: string
  readonly name: string
  readonly tags: { readonly [tag: string]: string }
  readonly value: number
}

export function metricsOf(applicationId: string, application: Application): readonly Metric[] {
  const client: Metric[] = [
    {
      group: 'stream-metrics',
      name: 'alive-stream-threads',
      tags: { 'client-id': applicationId },
      value: application.state === 'RUNNING' ? application.threads.length : 0,
    },
  ]
  const threads = application.threads.flatMap((thread): Metric[] => {
    const tags = { 'thread-id': thread.name }
    const processed = thread.tasks.reduce((sum, task) => sum + task.counts.processed, 0)
    return [
      { group: 'stream-thread-metrics', name: 'commit-total', tags, value: thread.commits },
      { group: 'stream-thread-metrics', name: 'process-total', tags, value: processed },
    ]
  })
  const tasks = application.tasks.flatMap((task): Metric[] => {
    const group = 'stream-task-metrics'
    const tags = { 'task-id': task.id }
    return [
      { group, name: 'process-total', tags, value: task.counts.processed },
      { group, name: 'dropped-records-total', tags, value: task.counts.dropped },
      { group, name: 'active-buffer-count', tags, value: task.bufferedRecords },
    ]
  })
  return [...client, ...threads, ...tasks]
}
