/** Units of each resource, by name (`{ gpu: 1 }`): those that a step needs, or those that a machine has. */
export type Capabilities = { readonly [name: string]: number }

export function hasAll(has: Capabilities, needs: Capabilities): boolean {
  return Object.entries(needs).every(([name, count]) => (Object.hasOwn(has, name) ? (has[name] ?? 0) : 0) >= count)
}

/** The maximum of each resource over all steps. A machine with these resources can run any of the steps, one at a time. */
export function largestNeeds(needs: Iterable<Capabilities>): Capabilities {
  const most = new Map<string, number>()
  for (const one of needs) for (const [name, count] of Object.entries(one)) most.set(name, Math.max(most.get(name) ?? 0, count))
  return Object.fromEntries(most)
}

/** The capability of a process that may run a bee of a swarm. */
export function beeCapability(bee: string): string {
  return `bee:${bee}`
}
