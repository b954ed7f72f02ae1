import type { Metric } from '../../processor/metrics/meters.ts'
import type { Family, Labels, Sample } from './exposition.ts'

/**
 * The engine's metrics under the names that the JMX exporter gives Kafka's metrics (domain, type, attribute, in snake case), so that existing
 * dashboards fit. Times are in seconds, as is usual in Prometheus.
 */
export function engineFamilies(metrics: readonly Metric[]): readonly Family[] {
  const families = new Map<string, { readonly of: Metric; readonly type: Family['type']; readonly samples: Map<string, Sample> }>()
  for (const metric of metrics) {
    // A metric of Kafka is NaN if there was no value in the last minute.
    if (Number.isNaN(metric.value)) continue
    const { name, type, perSecond } = promName(metric)
    const family = families.get(name) ?? { of: metric, type, samples: new Map<string, Sample>() }
    families.set(name, family)
    const labels = labelsOf(metric)
    family.samples.set(JSON.stringify(labels), { labels, value: metric.value / perSecond })
  }
  return [...families].map(([name, { of, type, samples }]) => ({
    name,
    type,
    help: `Kafka's ${of.name} of ${of.group}${/_seconds(_total)?$/.test(name) ? ', in seconds' : ''}.`,
    samples: [...samples.values()],
  }))
}

/** The Prometheus name and type of an engine metric, and the divisor of its value. */
export function promName({ group, name }: Pick<Metric, 'group' | 'name'>): {
  readonly name: string
  readonly type: Family['type']
  readonly perSecond: number
} {
  const perSecond = unitsInASecond(group, name)
  // The number of remaining records can fall, so it is not a counter.
  const isTotal = name.endsWith('-total') && !name.includes('-remaining-')
  const bare = name.replace(/-total$/, '').replace(/-ns$/, '')
  const domain = group.startsWith('consumer-') ? 'kafka_consumer' : 'kafka_streams'
  const whole = `${domain}_${group}_${bare}${perSecond === 1 ? '' : '_seconds'}${isTotal ? '_total' : ''}`
  return { name: whole.replaceAll(/[^A-Za-z0-9_]/g, '_'), type: isTotal ? 'counter' : 'gauge', perSecond }
}

/**
 * The divisor that turns a metric's unit into seconds; 1 for a metric that is not a time. In Kafka Streams some latencies of tasks are in
 * nanoseconds, and all other times are in milliseconds.
 */
function unitsInASecond(group: string, name: string): number {
  if (/-(rate|total)$/.test(name) && name !== 'blocked-time-ns-total') return 1
  if (name === 'blocked-time-ns-total' || (group === 'stream-task-metrics' && /^(process|punctuate)-latency-/.test(name))) return 1e9
  return /-latency-|-lateness-/.test(name) || name === 'thread-start-time' ? 1000 : 1
}

/** The labels of a metric. The process id is left out: it changes at each start, and each new id would begin new series. */
function labelsOf({ tags }: Metric): Labels {
  return Object.fromEntries(Object.entries(tags).flatMap(([tag, value]) => (tag === 'process-id' ? [] : [[tag.replaceAll('-', '_'), value]])))
}
