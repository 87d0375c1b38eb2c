# embed_migrations.cmake: schemas/hub/*.sql as a C array of bytes, so that the program carries them.
#   cmake -DFOLDER=schemas/hub -DOUTPUT=hub_migrations.c -P embed_migrations.cmake
file(GLOB files ${FOLDER}/*.sql)
list(SORT files)
set(texts "")
set(rows "")
set(expected 1)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z_]+$")
    message(FATAL_ERROR "${file}: a migration is named NNNN_words.sql")
  endif()
  string(REGEX REPLACE "^0+" "" version ${CMAKE_MATCH_1})
  if(NOT version EQUAL expected)
    message(FATAL_ERROR "${file}: the next migration must be number ${expected}")
  endif()
  math(EXPR expected "${expected} + 1")
  file(SHA256 ${file} checksum)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND texts "static const char text_${version}[] = {\n${hex}0};\n")
  string(APPEND rows "    {${version}, \"${name}\", \"${checksum}\", text_${version}},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made by cmake/embed_migrations.cmake from schemas/hub. */
#include \"migrations.h\"

${texts}
const struct migration hub_migrations[] = {
${rows}    {0, NULL, NULL, NULL},
};
")
