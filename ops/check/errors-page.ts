import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { errorCodes } from '../../topology/error-codes.ts'

/** The content of `docs/errors.md`: every code with its HTTP status, exit status, meaning and next step. */
export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { status, exit, meaning, next }]) => `| \`${code}\` | ${status} | ${exit} | ${cell(meaning)} | ${cell(next)} |`,
  )
  return `${preface}\n${rows.join('\n')}\n`
}

/**
 * Codes of the table that no source throws, and codes in sources that the table lacks. `sources` contains the source texts by path, without the file
 * of the table.
 */
export function strayCodes(sources: ReadonlyMap<string, string>): { readonly neverThrown: readonly string[]; readonly unknown: readonly string[] } {
  const thrown = new Set<string>()
  const unknown = new Set<string>()
  for (const source of sources.values()) {
    for (const [, before = '', code = ''] of source.matchAll(quotedCode)) {
      if (/(variable: |environment\()$/.test(before)) continue
      if (!Object.hasOwn(errorCodes, code)) unknown.add(code)
      else if (!/[!=]== $/.test(before)) thrown.add(code)
    }
  }
  return { neverThrown: Object.keys(errorCodes).filter((code) => !thrown.has(code)), unknown: [...unknown] }
}

/** Matches a code in quotes, with the characters before the code. A code after `===` is compared and not thrown. */
const quotedCode = /(.{0,12})'(WAGGLE_[A-Z0-9_]*[A-Z0-9])'/g

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

const preface = `# Errors

Every error has a code. An answer over HTTP carries it as \`code\` in its \`application/problem+json\`, a command with \`--json\` prints it as \`error\`, a dead letter has it
among its headers, and the log of the process names it in each line about a failure. The message of an error names the case: which file, topic or bee.

*HTTP* is the status of an answer with this code. What fails in a bee is 502 whatever its code, but for refusals (422) and deadlines (504). *Exit* is the exit status of a command:
1 the input is wrong, 2 usage, 3 a server or dependency cannot be reached.

<!-- This page is made from topology/error-codes.ts by \`node ops/check/errors-page.ts --write\`. -->

| code | HTTP | exit | meaning | next step |
| --- | --- | --- | --- | --- |`

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const path = resolve(root, 'docs/errors.md')
  if (process.argv.includes('--write')) writeFileSync(path, errorsPage())
  const complaints: string[] = []
  if (readFileSync(path, 'utf8') !== errorsPage()) complaints.push('docs/errors.md is stale: run `node ops/check/errors-page.ts --write`.')
  const files = globSync('{topology,processor,bees,connectors,ops}/**/*.{ts,mjs}', { cwd: root }).map((file) => file.split(sep).join('/'))
  const sources = files.filter((file) => file !== 'topology/error-codes.ts').map((file) => [file, readFileSync(resolve(root, file), 'utf8')] as const)
  const { neverThrown, unknown } = strayCodes(new Map(sources))
  for (const code of neverThrown) complaints.push(`${code} is thrown nowhere: take it out of topology/error-codes.ts.`)
  for (const code of unknown) complaints.push(`${code} is not in topology/error-codes.ts.`)
  for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
  process.exitCode = complaints.length === 0 ? 0 : 1
}
