import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { runTests } from './test-run.ts'

/** `npm test`: runs every check, the cheapest first, and prints one line for each. After a failed check, the next checks still run. */
const root = resolve(import.meta.dirname, '..', '..')

const checks: readonly Check[] = [
  { name: 'types', argv: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'] },
  { name: 'format and lint', argv: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=100'] },
  { name: 'import direction', argv: ['ops/check/import-direction.ts'] },
  { name: 'import cycles', argv: ['ops/check/import-cycles.ts'] },
  { name: 'names that users choose', argv: ['ops/check/chosen-names.ts'] },
  { name: 'docstrings', argv: ['ops/check/docstrings.ts'] },
  { name: 'comments', argv: ['ops/check/comments.ts'] },
  { name: 'texts of errors', argv: ['ops/check/error-texts.ts'] },
  { name: 'codes of errors, and docs/errors.md', argv: ['ops/check/errors-page.ts'] },
  { name: 'bee types, and docs/bees/', argv: ['ops/check/bee-pages.ts'] },
  { name: 'metrics, and docs/metrics.md', argv: ['ops/check/metrics-page.ts'] },
  { name: 'settings, and docs/settings.md', argv: ['ops/check/settings-page.ts'] },
  { name: 'commands, and docs/cli.md', argv: ['ops/check/cli-page.ts'] },
  { name: 'routes, and docs/api.md', argv: ['ops/check/api-page.ts'] },
  { name: 'threats of docs/security.md, and their tests', argv: ['ops/check/threat-model.ts'] },
  { name: 'queries of dashboards and alerts', argv: ['ops/check/dashboards.ts'] },
  { name: 'unused code', argv: ['node_modules/knip/bin/knip.js', '--no-progress'] },
  { name: 'an S3 for the tests', argv: ['ops/bench/versitygw.ts'] },
  { name: 'an OpenTelemetry collector for the tests', argv: ['test/support/otel-collector.ts'] },
  { name: 'a check of Grafana dashboards for the tests', argv: ['test/support/grafana-check.ts'] },
]

/**
 * The longest time of a run, in ms. It is far above the usual time, and below the limit of a continuous integration server. A hanging run therefore
 * fails here, with a message.
 */
const longestRunMs = 80 * 60_000

interface Check {
  readonly name: string
  readonly argv: readonly string[]
}

const failed = checks.filter((check) => !passes(check)).map(({ name }) => name)
if (!(await testsPass(process.argv.slice(2)))) failed.push('tests')
process.stdout.write(failed.length === 0 ? 'All checks passed.\n' : `Failed: ${failed.join(', ')}\n`)
process.exitCode = failed.length === 0 ? 0 : 1

function passes({ name, argv }: Check): boolean {
  const startedMs = systemClock.elapsedMs()
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  const took = `${((systemClock.elapsedMs() - startedMs) / 1000).toFixed(1)} s`
  process.stdout.write(`${status === 0 ? '✔' : '✖'} ${name} (${took})\n`)
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`)
  return status === 0
}

/** Runs the tests. If there are patterns, they replace the list of all tests. */
async function testsPass(patterns: readonly string[]): Promise<boolean> {
  const chosen = patterns.length > 0 ? patterns : ['test/**/*.test.ts']
  const argv = [
    '--import',
    './test/support/last-hook.ts',
    '--test',
    '--test-concurrency=2',
    '--test-timeout=300000',
    '--test-reporter=spec',
    ...chosen,
  ]
  return (await runTests(argv, { longestMs: longestRunMs })) === 0
}
