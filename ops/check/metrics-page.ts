import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type MetricRow, metricTable } from '../telemetry/metric-table.ts'

/** The page with the table of metrics between its two marks. */
export function metricsPage(page: string): string {
  const [before = '', rest = ''] = split(page, begin)
  const [, after = ''] = split(rest, end)
  const rows = Object.entries<MetricRow>(metricTable).map(
    ([name, { type, labels, help, note }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${cell(note === undefined ? help : `${help} ${note}`)} |`,
  )
  return `${before}${begin}\n\n| metric | type | labels | |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n\n${end}${after}`
}

/** Splits a text at a mark. Throws if the text does not contain the mark. */
function split(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark)
  if (at < 0) throw new Error(`docs/metrics.md has no line ${mark}`)
  return [text.slice(0, at), text.slice(at + mark.length)]
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/([^.])$/, '$1.')
}

const begin = '<!-- metrics, made from ops/telemetry/metric-table.ts by `node ops/check/metrics-page.ts --write` -->'
const end = '<!-- end of metrics -->'

if (import.meta.main) {
  const path = resolve(import.meta.dirname, '..', '..', 'docs/metrics.md')
  const page = readFileSync(path, 'utf8')
  const wanted = metricsPage(page)
  if (process.argv.includes('--write')) writeFileSync(path, wanted)
  else if (page !== wanted) {
    process.stderr.write('docs/metrics.md is stale: run `node ops/check/metrics-page.ts --write`.\n')
    process.exitCode = 1
  }
}
