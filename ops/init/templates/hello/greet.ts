import { Refused } from 'waggle-streams'

/**
 * A bee is a function. Its input is JSON as a value, or another body as Uint8Array. Its result is sent on; throwing Refused gives the caller status
 * 422.
 */
export default function greet(input: unknown): { readonly greeting: string } {
  const name = input !== null && typeof input === 'object' && 'name' in input ? input.name : null
  if (typeof name !== 'string') throw new Refused('Send {"name": "…"}')
  return { greeting: `Hello, ${name}!` }
}
