/** The seeds of the programs that each run of the tests compares, 100 programs a seed. */
export const fixedSeeds = [1, 2, 3, 4, 5] as const
