import type { WaggleError } from '../waggle-error.ts'
import { mistakeAt, type Path, type SwarmDocument } from './document.ts'
import { didYouMean } from './nearest-name.ts'

/** `{{ secrets.NAME }}` in any string of a swarm file. */
const reference = /\{\{\s*([^{}]*?)\s*\}\}/g
const secretName = /^secrets\.([A-Za-z_][A-Za-z0-9_]*)$/

export function secretMistakes(document: SwarmDocument): readonly WaggleError[] {
  const mistakes: WaggleError[] = []
  eachString(document.value, [], (text, path) => {
    if (!text.includes('{{')) return
    for (const [whole, inside] of text.matchAll(reference)) {
      if (!secretName.test(inside ?? '')) mistakes.push(mistakeAt(document.place(path), `${whole} names no secret`, 'Write {{ secrets.NAME }}.'))
    }
  })
  return mistakes
}

/** The value with every secret filled in. A name that `lookup` lacks is a mistake, with its place. */
export function withSecrets<T>(document: SwarmDocument, value: T, at: Path, lookup: ReadonlyMap<string, string>, mistakes: WaggleError[]): T {
  const replaced = (text: string, path: Path) =>
    text.replaceAll(reference, (whole: string, inside: string) => {
      const name = secretName.exec(inside)?.[1]
      if (name === undefined) return whole
      const secret = lookup.get(name)
      if (secret === undefined) {
        const hint = didYouMean(name, lookup.keys())
        mistakes.push(mistakeAt(document.place(path), `there is no secret ${name}`, `Set WAGGLE_SECRET_${name}${hint === '' ? '.' : `, or ${hint}`}`))
      }
      return secret ?? whole
    })
  const walk = (node: unknown, path: Path): unknown => {
    if (typeof node === 'string') return replaced(node, path)
    if (Array.isArray(node)) return node.map((item, index) => walk(item, [...path, index]))
    if (node !== null && typeof node === 'object')
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]))
    return node
  }
  return walk(value, at) as T
}

function eachString(node: unknown, path: Path, found: (text: string, path: Path) => void): void {
  if (typeof node === 'string') found(node, path)
  else if (Array.isArray(node)) node.forEach((item, index) => eachString(item, [...path, index], found))
  else if (node !== null && typeof node === 'object') for (const [key, item] of Object.entries(node)) eachString(item, [...path, key], found)
}
