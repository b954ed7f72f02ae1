/** Lines of a swarm file after its entrance: two models on one batch, whose predictions are joined, answered and saved. */
export const judgedBees = `  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./judges.mjs, bee: tidy}}
  - {name: rows, type: batch, input: {name: tidy}, spec: {batch_size: 4, timeout_seconds: 0.2, release: full}}
  - {name: strict, type: module, input: {name: rows}, spec: {file: ./judges.mjs, bee: strict}}
  - {name: a-judge-with-a-name-that-is-longer-than-a-box-of-the-graph, type: module, input: {name: rows}, spec: {file: ./judges.mjs, bee: lenient}}
  - {name: verdict, type: weighted-average-ensemble, input: {join: [strict, a-judge-with-a-name-that-is-longer-than-a-box-of-the-graph]}}
  - {name: answer, type: respond, input: {name: verdict}}
  - {name: saved, type: save-to-database, input: {stack: [strict, a-judge-with-a-name-that-is-longer-than-a-box-of-the-graph]}, spec: {table: verdicts}}`

/** The judges' module. `strict` fails for the text `bad`. The judges disagree about prices from 5 to 9. */
export const judgedFiles = {
  'judges.mjs': `const judged = (model, isDear) => ({ label: isDear ? 'dear' : 'cheap', scores: { dear: isDear ? 0.9 : 0.2, cheap: isDear ? 0.1 : 0.8 }, model, version: '3' })
export const tidy = (input) => input
export const strict = ({ price, text }) => {
  if (text === 'bad') throw new Error('<img src=x onerror=alert(1)>')
  return judged('strict', price >= 5)
}
export const lenient = ({ price }) => judged('lenient', price >= 10)
`,
}
