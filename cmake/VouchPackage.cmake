# What is installed, and the Debian package: `cpack -G DEB` in the build folder.
include(GNUInstallDirs)
install(TARGETS vouch RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
# systemd looks here on every distribution; the library folder may be lib64.
install(FILES "${PROJECT_SOURCE_DIR}/api/vouchdb.service" DESTINATION lib/systemd/system)
install(FILES "${PROJECT_SOURCE_DIR}/docs/vouch.yaml" DESTINATION /etc/vouch)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" RENAME copyright)
# Clients in other languages make their stubs of these.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/api/proto/" DESTINATION "${CMAKE_INSTALL_DATADIR}/vouch/proto"
  FILES_MATCHING PATTERN "*.proto")

set(CPACK_PACKAGE_NAME vouchdb)
set(CPACK_PACKAGE_VENDOR "VouchDB")
set(CPACK_PACKAGE_CONTACT "VouchDB developers <vouchdb@localhost>")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Vector database and RAG engine whose every answer can be vouched for")
set(CPACK_PACKAGE_DESCRIPTION "One program, vouch, keeps documents and vectors in collections whose every version stays
readable, searches them by meaning, by words and by both, and answers questions with citations that are
checked against the source bytes. With a systemd unit; it listens on loopback unless told otherwise.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
# Whatever the builder's umask is.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# pdftotext reads PDF files; all else works without it.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "poppler-utils")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(name conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/cmake/debian/${name}")
endforeach()
include(CPack)
