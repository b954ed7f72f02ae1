/** An agent: each round of its loop takes one of two branches, which merge again. Results are remembered. The number counts down to 0. */
export const branchingBees = `  - {name: sane, type: filter, input: {name: entrance}, spec: {condition: 'n >= \`0\`'}}
  - {name: keep, type: cache, input: {stack: [sane, again]}, spec: {body: again, ttl_seconds: 600}}
  - {name: again, type: loop, input: {stack: [keep, done]}, spec: {while: 'n > \`0\`', body: choose, max_rounds: 30}}
  - {name: choose, type: route, input: {name: again}, spec: {routes: {odd: 'n % \`2\` == \`1\`'}, default: even}}
  - {name: odd, type: module, input: {name: choose}, spec: {file: ./functions.mjs, bee: odd}}
  - {name: even, type: module, input: {name: choose}, spec: {file: ./functions.mjs, bee: even}}
  - {name: done, type: merge, input: {stack: [odd, even]}}
  - {name: answer, type: respond, input: {name: keep}}`

/** The module of the branches. Each branch takes some time, so that a kill finds requests in every round. */
export const branchingFunctions = `const pause = () => new Promise((settle) => setTimeout(settle, 20))
export const odd = async ({ n, way = '' }) => (await pause(), { n: n - 1, way: way + 'o' })
export const even = async ({ n, way = '' }) => (await pause(), { n: n / 2, way: way + 'e' })
`

/** The expected answer for a number. */
export function expectedOf(n: number): { readonly n: 0; readonly way?: string } {
  let way = ''
  for (let left = n; left > 0; left = left % 2 === 1 ? left - 1 : left / 2) way += left % 2 === 1 ? 'o' : 'e'
  return n === 0 ? { n: 0 } : { n: 0, way }
}
