import type { BeeRegistry } from '../../bees/registry.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { soughtType } from '../../topology/swarm/check/sought-type.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type CatalogEntry, catalogEntry, exampleText, payloadText } from '../catalog/catalog-entry.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { exitStatus } from './exit-status.ts'

/** `waggle bees catalog [TYPE]`: prints all bee types, or one of them with its keys, examples and delivery guarantee. */
export function beesCatalog(name: string | null, { json }: { readonly json: boolean }): number {
  const registry = beeRegistry(process.cwd())
  if (name === null) {
    const entries = registry.types.map(catalogEntry)
    process.stdout.write(json ? `${JSON.stringify(entries)}\n` : listText(entries))
    return exitStatus.done
  }
  const type = registry.find(name)
  if (type === null) throw unknownType(name, registry)
  const entry = catalogEntry(type)
  process.stdout.write(json ? `${JSON.stringify(entry)}\n` : entryText(entry))
  return exitStatus.done
}

function unknownType(name: string, registry: BeeRegistry): WaggleError {
  const names = registry.types.flatMap((one) => [one.type, ...one.aliases])
  const hint = soughtType(name) || didYouMean(name, names)
  return new WaggleError('WAGGLE_UNKNOWN_BEE_TYPE', {
    message: `There is no bee type ${name}`,
    next: hint === '' ? `Use one of ${names.join(', ')}.` : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`,
  })
}

function listText(entries: readonly CatalogEntry[]): string {
  const width = Math.max(...entries.map(({ type }) => type.length))
  return entries.map(({ type, summary }) => `${type.padEnd(width)}  ${summary}\n`).join('')
}

function entryText(entry: CatalogEntry): string {
  const { type, aliases, summary, fields, examples, delivery } = entry
  const [takes, gives] = [payloadText(entry.input), payloadText(entry.output)]
  const parts = [
    `${[type, ...aliases].join(', ')}: ${summary}`,
    fields.length === 0 ? 'spec: takes no keys' : `spec\n${fields.map(fieldText).join('\n')}`,
    ...examples.map((spec) => `example\n${indented(exampleText(entry, spec).trimEnd())}`),
    ...(takes === null ? [] : [`takes ${takes}`]),
    ...(gives === null ? [] : [`gives ${gives}`]),
    `delivery\n${indented(delivery)}`,
  ]
  return `${parts.join('\n\n')}\n`
}

function fieldText({ name, type, required, default: fallback, description }: CatalogEntry['fields'][number]): string {
  const use = required ? ', required' : fallback === undefined ? '' : `, default ${JSON.stringify(fallback)}`
  return `  ${name} (${type}${use})${description === '' ? '' : `\n${indented(description, 6)}`}`
}

function indented(text: string, by = 2): string {
  return text
    .split('\n')
    .map((line) => `${' '.repeat(by)}${line}`)
    .join('\n')
}
