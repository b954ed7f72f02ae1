import { Refused } from 'waggle-streams'

/**
 * A bee is a function. Its input is a JSON value, or a Uint8Array for any other body. Its result goes to the next bee. If it throws Refused, the
 * caller gets status 422.
 */
export default function greet(input: unknown): { readonly greeting: string } {
  const name = input !== null && typeof input === 'object' && 'name' in input ? input.name : null
  if (typeof name !== 'string') throw new Refused('Send {"name": "…"}')
  return { greeting: `Hello, ${name}!` }
}
