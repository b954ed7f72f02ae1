import { preparePackage } from './package-folder.ts'

preparePackage()
