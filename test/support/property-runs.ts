/** Runs of a property: all of them in `npm test`, and a fifth in `npm run test:unit`, which sets QUICK_TESTS. */
export function propertyRuns(full: number): number {
  return process.env.QUICK_TESTS === 'true' ? Math.ceil(full / 5) : full
}
