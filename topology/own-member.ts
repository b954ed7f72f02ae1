/** A table's own entry under a name. Undefined for names such as `constructor`, which every object inherits. */
export function ownMember<T>(table: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
