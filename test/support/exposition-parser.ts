import assert from 'node:assert/strict'

export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: { readonly name: string; readonly labels: ReadonlyMap<string, string>; readonly value: number }[]
}

/** Parses Prometheus' text format 0.0.4 strictly by its description, and throws for any deviation. The parser shares no code with Waggle's writer. */
export function parseExposition(text: string): ReadonlyMap<string, ParsedFamily> {
  assert.ok(text.endsWith('\n'), 'the last line ends')
  const families = new Map<string, ParsedFamily>()
  const series = new Set<string>()
  let family: ParsedFamily | null = null
  let help: { readonly name: string; readonly text: string } | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    const helped = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line)
    if (helped !== null) {
      help = { name: helped[1] ?? '', text: helped[2] ?? '' }
      continue
    }
    const typed = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line)
    if (typed !== null) {
      const [, name = '', type = ''] = typed
      assert.equal(help?.name, name, `help and type of ${name} stand together`)
      assert.ok(!families.has(name), `${name} comes once`)
      family = { name, type, help: help?.text ?? '', samples: [] }
      families.set(name, family)
      continue
    }
    const [, name = '', labelText = '', number = ''] =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/.exec(line) ?? assert.fail(`no line of the format: ${line}`)
    assert.ok(family !== null && isOf(name, family), `${name} lies with its family`)
    const labels = labelsOf(labelText)
    const id = `${name}${JSON.stringify([...labels].sort())}`
    assert.ok(!series.has(id), `${id} comes once`)
    series.add(id)
    family.samples.push({ name, labels, value: numberOf(number) })
  }
  return families
}

/** The rules of `promtool check metrics` for names and histograms. */
export function lintExposition(families: ReadonlyMap<string, ParsedFamily>): readonly string[] {
  const problems: string[] = []
  for (const { name, type, help, samples } of families.values()) {
    if (help === '') problems.push(`${name} has no help`)
    if (!/^[a-z][a-z0-9_]*$/.test(name)) problems.push(`${name} is not in snake case`)
    if ((type === 'counter') !== name.endsWith('_total')) problems.push(`${name} is a ${type}`)
    if (/(^|_)(ms|ns|us|millis|milliseconds|nanoseconds|minutes|kb|mb|kilobytes|percent)(_|$)/.test(name)) problems.push(`${name} has no base unit`)
    if (/_(count|sum|bucket)$/.test(name) && type !== 'histogram' && type !== 'gauge') problems.push(`${name} looks like part of a histogram`)
    if (/(^|_)(counter|gauge|histogram)(_|$)/.test(name)) problems.push(`${name} names its type`)
    for (const { labels } of samples) for (const label of labels.keys()) if (label.startsWith('__')) problems.push(`${label} is reserved`)
    if (type === 'counter') for (const { value } of samples) if (!(value >= 0)) problems.push(`${name} counts ${value}`)
    if (type === 'histogram') problems.push(...histogramProblems(name, samples))
  }
  return problems
}

function histogramProblems(name: string, samples: ParsedFamily['samples']): string[] {
  const problems: string[] = []
  const keyOf = (labels: ReadonlyMap<string, string>) => JSON.stringify([...labels].filter(([label]) => label !== 'le').sort())
  for (const [key, own] of Map.groupBy(samples, ({ labels }) => keyOf(labels))) {
    const buckets = own
      .filter((sample) => sample.name === `${name}_bucket`)
      .map(({ labels, value }) => [numberOf(labels.get('le') ?? ''), value] as const)
    buckets.forEach(([bound, count], at) => {
      const [lower, fewer] = buckets[at - 1] ?? [Number.NEGATIVE_INFINITY, 0]
      if (bound <= lower || count < fewer) problems.push(`${name}${key}: bucket ${bound} has ${count} after ${fewer}`)
    })
    const all = own.find((sample) => sample.name === `${name}_count`)?.value
    if (buckets.at(-1)?.[0] !== Number.POSITIVE_INFINITY || buckets.at(-1)?.[1] !== all) problems.push(`${name}${key}: no +Inf bucket of all`)
    if (own.filter((sample) => sample.name === `${name}_sum`).length !== 1) problems.push(`${name}${key}: no sum`)
  }
  return problems
}

function isOf(sample: string, { name, type }: ParsedFamily): boolean {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample) : sample === name
}

function labelsOf(text: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  if (text === '') return labels
  const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\}$)/y
  for (pair.lastIndex = 1; pair.lastIndex < text.length; ) {
    const [, label = '', value = ''] = pair.exec(text) ?? assert.fail(`no labels: ${text}`)
    assert.ok(!labels.has(label), `${label} comes once in ${text}`)
    labels.set(
      label,
      value.replace(/\\(.)/g, (_, of: string) => (of === 'n' ? '\n' : of)),
    )
  }
  return labels
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  if (text === 'NaN') return Number.NaN
  assert.match(text, /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/)
  return Number(text)
}
