// RDKit: chemistry by embind. Molecules that can't be are exceptions of C++ inside.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const SMILES = ["CCO", "c1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "C1CC", "c1cc1", "F(C)(C)C", "not a molecule", "[Xx]", "", "C[C@H](N)C(=O)O"];

export async function work({ folder, modules, tell }) {
  const start = require(`${folder}/RDKit_minimal.cjs`);
  const rdkit = await start({ locateFile: () => modules["RDKit_minimal.wasm"], print: () => {}, printErr: () => {} });
  const answers = [rdkit.version()];
  for (const smiles of SMILES) {
    answers.push(
      await tell(() => {
        const molecule = rdkit.get_mol(smiles);
        if (!molecule) return "no molecule";
        const said = [molecule.get_smiles(), molecule.get_descriptors(), molecule.get_svg().length, molecule.get_inchi()];
        said.push(molecule.get_morgan_fp(), molecule.get_molblock().length);
        molecule.delete();
        return said;
      }),
    );
  }
  for (const smarts of ["[#6]=[#8]", "[", "c1ccccc1"])
    answers.push(
      await tell(() => {
        const [molecule, query] = [rdkit.get_mol("c1ccccc1C(=O)O"), rdkit.get_qmol(smarts)];
        return query ? molecule.get_substruct_matches(query) : "no query";
      }),
    );
  answers.push(await tell(() => rdkit.get_mol("CCO", "{not JSON").get_smiles()));
  return answers;
}
