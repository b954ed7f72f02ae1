import { Refused } from 'waggle-streams'

/** A bee is a function of its input: JSON as it is, other bodies as Uint8Array. What it returns goes on; Refused is a 422. */
export default function greet(input: unknown): { readonly greeting: string } {
  const name = input !== null && typeof input === 'object' && 'name' in input ? input.name : null
  if (typeof name !== 'string') throw new Refused('Send {"name": "…"}')
  return { greeting: `Hello, ${name}!` }
}
