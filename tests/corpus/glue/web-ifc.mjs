// web-ifc: buildings by embind, read, meshed and written.
import { createRequire } from "node:module";
import { createHash } from "node:crypto";

const require = createRequire(import.meta.url);
const IFC = `ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('ViewDefinition [CoordinationView]'),'2;1');
FILE_NAME('a.ifc','2026-01-01T00:00:00',(''),(''),'','','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCCARTESIANPOINT((0.,0.,0.));
#2=IFCAXIS2PLACEMENT3D(#1,$,$);
#3=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-05,#2,$);
#4=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);
#5=IFCUNITASSIGNMENT((#4));
#6=IFCPROJECT('0$ScRe4drECQ4DMSqUjd6d',$,'P',$,$,$,$,(#3),#5);
#7=IFCCARTESIANPOINT((0.,0.));
#8=IFCAXIS2PLACEMENT2D(#7,$);
#9=IFCRECTANGLEPROFILEDEF(.AREA.,$,#8,2.,3.);
#10=IFCDIRECTION((0.,0.,1.));
#11=IFCEXTRUDEDAREASOLID(#9,#2,#10,4.);
#12=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#11));
#13=IFCPRODUCTDEFINITIONSHAPE($,$,(#12));
#14=IFCLOCALPLACEMENT($,#2);
#15=IFCWALL('1kTvXnbbzCWw8lcMd1dR4o',$,'W',$,$,#14,#13,$,$);
#16=IFCCIRCLEPROFILEDEF(.AREA.,$,#8,1.5);
#17=IFCEXTRUDEDAREASOLID(#16,#2,#10,1.);
#18=IFCBOOLEANRESULT(.DIFFERENCE.,#11,#17);
#19=IFCSHAPEREPRESENTATION(#3,'Body','CSG',(#18));
#20=IFCPRODUCTDEFINITIONSHAPE($,$,(#19));
#21=IFCWALL('1kTvXnbbzCWw8lcMd1dR4p',$,'V',$,$,#14,#20,$,$);
#22=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#9999));
#23=IFCPRODUCTDEFINITIONSHAPE($,$,(#22));
#24=IFCWALL('1kTvXnbbzCWw8lcMd1dR4q',$,'U',$,$,#14,#23,$,$);
ENDSEC;
END-ISO-10303-21;
`;

export async function work({ folder, modules, tell }) {
  const { IfcAPI, IFCWALL, LogLevel } = require(`${folder}/web-ifc-api-node.cjs`);
  const api = new IfcAPI();
  await api.Init(() => modules["web-ifc-node.wasm"], true);
  api.SetLogLevel(LogLevel.LOG_LEVEL_OFF);
  const answers = [api.GetVersion()];
  for (const source of [IFC, IFC.slice(0, 900), IFC.replace("IFCEXTRUDEDAREASOLID(#9", "IFCEXTRUDEDAREASOLID('x"), IFC.replaceAll("(0.,0.)", "(nowhere)"), "no IFC", ""])
    answers.push(
      await tell(async () => {
        const model = api.OpenModel(new TextEncoder().encode(source));
        const said = [model, api.GetModelSchema(model), api.GetAllLines(model).size()];
        const walls = api.GetLineIDsWithType(model, IFCWALL);
        for (let i = 0; i < walls.size(); i++) said.push(await tell(() => api.GetLine(model, walls.get(i)).Name));
        said.push(
          await tell(() => {
            const meshes = [];
            api.StreamAllMeshes(model, (mesh) => {
              for (let i = 0; i < mesh.geometries.size(); i++) {
                const geometry = api.GetGeometry(model, mesh.geometries.get(i).geometryExpressID);
                const vertices = api.GetVertexArray(geometry.GetVertexData(), geometry.GetVertexDataSize());
                meshes.push([mesh.expressID, vertices.length, createHash("sha256").update(vertices).digest("hex")]);
              }
            });
            return meshes;
          }),
        );
        said.push(await tell(() => createHash("sha256").update(api.SaveModel(model)).digest("hex")));
        api.CloseModel(model);
        return said;
      }),
    );
  answers.push(await tell(() => api.GetLine(77, 1)), await tell(() => api.GetModelSchema(77)));
  return answers;
}
