/** What a table has under a name: undefined for `constructor` and the other names that every object has without being told. */
export function ownMember<T>(table: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
