import { restorePackage } from './package-folder.ts'

restorePackage()
