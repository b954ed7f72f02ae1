import { createHash } from 'node:crypto'

/** One metric family of Prometheus: samples that are written together, under one help text and one type. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly labels: Labels
  readonly value: number
  /** The suffix of a histogram's sample: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string
  /** An observation of this bucket. Only OpenMetrics can contain exemplars. */
  readonly exemplar?: Exemplar
}

/** One observation, with the trace that the observation belongs to. */
export interface Exemplar {
  readonly traceId: string
  readonly value: number
  /** The time in epoch milliseconds. */
  readonly at: number
}

export type Labels = { readonly [name: string]: string }

/** `text`: Prometheus' text format 0.0.4. `openmetrics`: OpenMetrics 1.0, which can contain exemplars. */
export type MetricsFormat = 'text' | 'openmetrics'

/** The most series of one family. Further series are left out, so that no swarm can make the response endless. A histogram is left out as a whole. */
export const maxSeriesAFamily = 10_000

/** The samples of a family that are sent. Samples of one histogram stand together, and either all of them or none are sent. */
export function sentSamples({ type, samples }: Family): readonly Sample[] {
  let end = Math.min(samples.length, maxSeriesAFamily)
  if (type === 'histogram') while (end > 0 && isOneHistogram(samples[end - 1], samples[end])) end--
  return samples.slice(0, end)
}

function isOneHistogram(one: Sample | undefined, other: Sample | undefined): boolean {
  return one !== undefined && other !== undefined && ownLabels(one) === ownLabels(other)
}

/** The labels of a histogram, without the bound of a bucket. */
function ownLabels({ labels: { le: _, ...own } }: Sample): string {
  return JSON.stringify(own)
}

/** Writes families in a format. Families without samples are left out. */
export function exposition(families: readonly Family[], format: MetricsFormat = 'text'): string {
  const lines: string[] = []
  const isOpen = format === 'openmetrics'
  for (const family of [...families, leftOutSeries(families)]) {
    const { help, type, samples } = family
    if (samples.length === 0) continue
    const name = nameText(family.name)
    // OpenMetrics names a counter's family without the suffix of its samples.
    const shown = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name
    lines.push(`# HELP ${shown} ${helpText(help, isOpen)}`, `# TYPE ${shown} ${type}`)
    for (const { labels, value, suffix = '', exemplar } of sentSamples(family)) {
      const told = isOpen && exemplar !== undefined ? exemplarText(exemplar) : ''
      lines.push(`${name}${suffix}${labelText(labels)} ${numberText(value)}${told}`)
    }
  }
  if (isOpen) lines.push('# EOF')
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** The number of series that each family has beyond the limit. */
export function leftOutSeries(families: readonly Family[]): Family {
  const samples = families.flatMap((family) => {
    const value = family.samples.length - sentSamples(family).length
    return value > 0 ? [{ labels: { metric: family.name }, value }] : []
  })
  return { name: 'waggle_metrics_series_left_out', type: 'gauge', help: leftOutHelp, samples }
}

export const leftOutHelp = 'Series of a metric that this answer leaves out, because one metric has at most 10,000.'

function exemplarText({ traceId, value, at }: Exemplar): string {
  return ` # {trace_id="${escaped(traceId.slice(0, maxTraceIdCharacters))}"} ${numberText(value)} ${(at / 1000).toFixed(3)}`
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${nameText(name).replaceAll(':', '_')}="${escaped(bounded(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** A name in which only the characters that the format allows remain. */
function nameText(name: string): string {
  const text = name.slice(0, maxCharacters).replaceAll(/[^A-Za-z0-9_:]/g, '_')
  return /^[A-Za-z_:]/.test(text) ? text : `_${text}`
}

/** The value of a label, cut if it is long. A hash distinguishes cut values, because no two series may have the same labels. */
function bounded(value: string): string {
  if (value.length <= maxCharacters) return value
  return `${value.slice(0, maxCharacters - 9).toWellFormed()}~${createHash('sha256').update(value).digest('hex').slice(0, 8)}`
}

function helpText(help: string, isOpen: boolean): string {
  const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return isOpen ? text.replaceAll('"', '\\"') : text
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}

const maxCharacters = 250
const maxTraceIdCharacters = 32
