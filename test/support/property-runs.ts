/** True in `npm run test:unit`, which does a fifth of the runs of `npm test`. */
const isQuick = process.env.QUICK_TESTS === 'true'

/** The number of runs of a property, or the size of a large input: the full number in `npm test`, a fifth in `npm run test:unit`. */
export function propertyRuns(full: number): number {
  return isQuick ? Math.ceil(full / 5) : full
}

/**
 * The cases of a long table: all cases in `npm test`, and every fifth from `shift` on in `npm run test:unit`. Five calls with different shifts have
 * all cases.
 */
export function propertyCases<T>(all: readonly T[], shift: number): readonly T[] {
  return isQuick ? all.filter((_, at) => at % 5 === shift % 5) : all
}
