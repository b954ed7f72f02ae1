import { globSync, readFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'

/** A comment that begins with a word such as "Of" or "What" instead of a noun. */
export interface Riddle {
  readonly file: string
  readonly line: number
  readonly text: string
}

/** Finds comments that do not name their subject. A lost reader does not know what "Of", "What" or "How" stands for. */
export function riddlesIn(file: string, source: string): readonly Riddle[] {
  const riddles: Riddle[] = []
  for (const match of source.matchAll(opening)) {
    const line = source.slice(0, match.index).split('\n').length
    riddles.push({ file, line, text: (match[0].trim().split('\n').at(-1) ?? '').trim() })
  }
  return riddles
}

/**
 * Matches a forbidden first word of a block comment, or of a line comment that has no line comment above it. The match may also be in a string. Then
 * the string must be reworded.
 */
const opening =
  /(?<!\/\/[^\n]*\n[ \t]*)(?<=^|[\s;{}(,[])(?:\/\/|\/\*\*?)[ \t]*(?:\n[ \t]*\*[ \t]*)?(?:Of|What|Who|Whose|Whoever|Whatever|That|How|Whether|Why|Which|By)\b[^\n]*/g

/** True for a file whose comments are checked. `test/types/*.d.ts` are copies of the contract and keep its words. */
export function isChecked(file: string): boolean {
  return !/^test\/types\/[^/]+\.d\.ts$/.test(file)
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync('{topology,processor,bees,connectors,ops,swarms,examples,test}/**/*.{ts,mjs,js}', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  })
  const riddles = files
    .map((file) => file.split(sep).join('/'))
    .filter(isChecked)
    .flatMap((file) => riddlesIn(file, readFileSync(resolve(root, file), 'utf8')))
  for (const { file, line, text } of riddles) process.stderr.write(`${file}:${line}: ${text}\n    Begin with the thing itself: a concrete noun.\n`)
  process.exitCode = riddles.length === 0 ? 0 : 1
}
