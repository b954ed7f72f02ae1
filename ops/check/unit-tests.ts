import { globSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import own from '../../package.json' with { type: 'json' }
import { importsOf, targetOf } from './import-direction.ts'
import { runTests } from './test-run.ts'

/**
 * `npm run test:unit`: runs the tests that start no process, need no Java and do not crash at each step. Imports decide which test files run, so that
 * nobody maintains a list. A test file is left out if the file, or any module that it imports, imports `node:child_process`, or if the file itself
 * imports `processor/simulation/crash.ts`. With parts of file names as arguments, only matching files run. Property tests do a fifth of their runs. A
 * dozen files share a process.
 *
 *     node ops/check/unit-tests.ts [--list] [--watch] [FILE…]
 */
const root = resolve(import.meta.dirname, '..', '..')
const startsProcesses = /^(node:)?child_process$/
/** The package's own modules by specifier, as `package.json` exports them. */
const ownModules: ReadonlyMap<string, string> = new Map(Object.entries(own.exports).map(([name, file]) => [join(own.name, name), join(file)]))
const crashes = 'processor/simulation/crash.ts'

/**
 * True if a test file is left out, because the file or any module that it imports can start a process, or because the test crashes at each step.
 * `read` returns a file's source, or null. `known` contains the imports of files that were read before.
 */
export function isLong(file: string, read: (file: string) => string | null, known = new Map<string, ReturnType<typeof importsOf>>()): boolean {
  const seen = new Set([file])
  for (const at of seen) {
    const imports = known.get(at) ?? importsOf(read(at) ?? '')
    known.set(at, imports)
    for (const { specifier } of imports) {
      if (startsProcesses.test(specifier)) return true
      const target = ownModules.get(specifier) ?? targetOf(at, specifier)
      if (at === file && target === crashes) return true
      if (target !== null) seen.add(target)
    }
  }
  return false
}

export function unitTests(): readonly string[] {
  const tests = globSync('test/**/*.test.ts', { cwd: root }).map((file) => file.split(sep).join('/'))
  const known = new Map<string, ReturnType<typeof importsOf>>()
  return tests.filter((file) => !isLong(file, readOrNull, known)).sort()
}

/**
 * Runs files in a few processes at a time, with several files in each process. A process for each file would spend most of its time loading the same
 * modules. Returns the first status that is not 0.
 */
export async function runTogether(files: readonly string[], run: (files: readonly string[]) => Promise<number>): Promise<number> {
  const groups = Array.from({ length: Math.ceil(files.length / filesAProcess) }, (_, at) => files.slice(at * filesAProcess, (at + 1) * filesAProcess))
  let failed = 0
  const next = async (): Promise<void> => {
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      const status = await run(group)
      failed ||= status
    }
  }
  await Promise.all(Array.from({ length: processes }, next))
  return failed
}

const filesAProcess = 12
const processes = 3

function readOrNull(file: string): string | null {
  try {
    return readFileSync(resolve(root, file), 'utf8')
  } catch {
    return null
  }
}

if (import.meta.main) {
  const given = process.argv.slice(2)
  const names = given.filter((argument) => !argument.startsWith('--'))
  const chosen = unitTests().filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
  if (given.includes('--list')) process.stdout.write(chosen.map((file) => `${file}\n`).join(''))
  else if (chosen.length === 0) {
    process.stderr.write(`No unit test has ${names.join(' or ')} in its name.\n`)
    process.exitCode = 2
  } else {
    const env = { QUICK_TESTS: 'true', NODE_COMPILE_CACHE: resolve(root, '.waggle', 'compile-cache'), ...process.env }
    const argv = ['--test', '--test-timeout=120000', '--test-reporter=dot']
    if (given.includes('--watch')) process.exitCode = await runTests([...argv, '--watch', '--test-concurrency=3', ...chosen], { env })
    else process.exitCode = await runTogether(chosen, (files) => runTests([...argv, '--test-isolation=none', ...files], { env }))
  }
}
